"""What a family holds: found out in two ways of which neither says too much, and seldom."""

from __future__ import annotations

import asyncio
import mmap
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from optifire.workers import weighing
from optifire.workers.weighing import LEAST_PERIOD, PATIENCE, Scales, Weight, weigh
from trial_until import until

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1 << 20
#: Seconds of the loop's time that no test sees.
FAR = 1e12


@pytest.mark.parametrize(
    ("weight", "shown"), [(Weight(100, 20, 0.0), 70), (Weight(40, 20, 0.0), 25)]
)
async def test_the_larger_of_both_ways_holds(
    monkeypatch: pytest.MonkeyPatch, weight: Weight, shown: int
) -> None:
    monkeypatch.setattr(weighing, "weigh", lambda *_: weight)
    scales = Scales()
    scales.put(1, (2, 3), grown=5, given=30, now=0.0)
    await until(lambda: scales.ready(FAR))
    assert scales.weighed == shown


async def test_a_family_is_not_weighed_while_that_goes_on_nor_soon_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, go = [], threading.Event()

    def slow(_first: int, others: Iterable[int]) -> Weight:
        times.append(list(others))
        go.wait()
        return Weight(0, 0, 0.01)

    monkeypatch.setattr(weighing, "weigh", slow)
    scales, loop = Scales(), asyncio.get_running_loop()
    now = loop.time()
    scales.put(1, (2, 3), grown=0, given=0, now=now)
    scales.put(1, (2, 3), grown=0, given=0, now=FAR)
    go.set()
    await until(lambda: scales.ready(FAR))
    assert times == [[2, 3]]
    assert not scales.ready(now + PATIENCE * 0.01)
    assert not scales.ready(now + LEAST_PERIOD)


HOLDS = """
import mmap, os, sys
held = mmap.mmap(int(sys.argv[1]), 30 << 20)
for at in range(0, len(held), mmap.PAGESIZE): held[at] = 2
kept = bytearray(b"x") * (20 << 20)
print("there", flush=True)
sys.stdin.read()
"""


def test_pages_are_told_apart_by_who_has_them() -> None:
    file = os.memfd_create("held")
    os.truncate(file, 30 * MIB)
    with mmap.mmap(file, 30 * MIB) as held:
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1
        with subprocess.Popen(
            [sys.executable, "-S", "-c", HOLDS, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[file],
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"there\n"
            alone, both = weigh(process.pid, ()), weigh(os.getpid(), (process.pid,))
            process.communicate()
    os.close(file)
    assert both.own / MIB == pytest.approx(24, abs=6)  # the interpreter has some megabytes
    assert (alone.parts - both.own) / MIB == pytest.approx(15, abs=3)  # half of what both have
    weight = weigh(process.pid, (process.pid,))
    assert (weight.parts, weight.own) == (0, 0), "it is gone"
