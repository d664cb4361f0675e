"""How much memory is left to runs: the settings, the machine, and what stands."""

import os
import subprocess
import sys

import pytest

from optifire.app.room import AGE, Room, room_of
from optifire.core.settings import SystemSettings
from optifire.ops.readings import memory_total, resident

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


def test_a_process_that_has_ended_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert resident([ended.pid]) == 0


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
