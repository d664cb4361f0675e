"""How much memory is left to runs: the settings, the machine, and what stands."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from optifire.app.room import AGE, Room, room_of
from optifire.core.settings import SystemSettings
from optifire.core.types import Encoded
from optifire.ops.readings import memory_total, private, resident
from optifire.workers.sealed import held_bytes, share
from optifire.workers.statm import in_memory_files

MIB = 1 << 20


def test_what_the_settings_say_holds_and_otherwise_what_the_machine_has() -> None:
    assert room_of(SystemSettings(max_ram_mb=300), list, float).most_mb == 300
    total = memory_total(os.getpid()) / MIB
    assert room_of(SystemSettings(), list, float).most_mb == min(900.0, 0.9 * total)


def test_what_the_standing_processes_use_is_not_left_to_runs() -> None:
    room = Room(1000.0, lambda: [os.getpid()], lambda: 0.0)
    own = resident([os.getpid()]) / MIB
    assert 0 < own < 1000
    assert room.left_mb() == pytest.approx(1000.0 - own, abs=16)


def test_of_one_forked_ahead_only_that_counts_which_nobody_shares() -> None:
    """The child shares 64 MB with who forked it, and has made 16 MB of them its own."""
    text = """if True:
        import os, sys
        held = bytearray(os.urandom(1 << 20) * 64)
        if (child := os.fork()) == 0:
            for page in range(0, 16 << 20, 4096):
                held[page] ^= 1
            print(os.getpid(), flush=True)
        sys.stdin.read()
        """
    command = [sys.executable, "-c", text]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        room = Room(1000.0, lambda: [parent.pid], lambda: 0.0, lambda: [child])
        assert resident([child]) / MIB > 64
        assert 16 <= private([child]) / MIB < 32
        used = (resident([parent.pid]) + private([child])) / MIB
        assert room.left_mb() == pytest.approx(1000.0 - used, abs=1)
        parent.communicate()


def test_large_values_are_not_left_to_runs_whether_somebody_has_looked_at_them_or_not() -> None:
    room = Room(1000.0, list, lambda: 0.0, files=lambda: held_bytes() - in_memory_files())
    before = room.left_mb()
    value = share(Encoded(bytes(32 * MIB)))
    assert replace(room).left_mb() == pytest.approx(before - 32, abs=0.1)
    seen = Room(1000.0, lambda: [os.getpid()], lambda: 0.0, files=room.files)
    unseen = seen.left_mb()
    assert sum(value[::4096]) == 0
    assert replace(seen).left_mb() == pytest.approx(unseen, abs=8)
    del value
    assert replace(room).left_mb() == pytest.approx(before, abs=0.1)


def test_a_process_that_has_ended_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert resident([ended.pid]) == 0
    assert private([ended.pid]) == 0


def test_processes_are_looked_at_once_in_a_while_however_often_somebody_asks() -> None:
    asked = 0

    def pids() -> list[int]:
        nonlocal asked
        asked += 1
        return []

    instants = iter((0.0, 0.5 * AGE, 1.5 * AGE, 2.0 * AGE))
    room = Room(500.0, pids, lambda: next(instants))
    assert [room.left_mb() for _ in range(4)] == [500] * 4
    assert asked == 2
