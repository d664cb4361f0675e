"""A step that only waited for a processor is no block; one that slept or computed is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from optifire.core.run import RunStatus
from optifire.workers.guarding import LIMIT_NS, now_ns
from optifire.workers.inline import InlineWorker
from optifire.workers.loopguard import FRESH_NS, Block, LoopGuard
from optifire.workers.queueing import QueueTime, waited_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.workers.conftest import Ask

MS = 1_000_000
#: Processes that compete for one processor with the thread of a test.
RIVALS = 5


@pytest.fixture
def blocks() -> list[Block]:
    return []


@pytest.mark.parametrize(
    ("took", "cpu", "waited", "blocked"),
    [
        (300, 20, 250, None),
        (300, 5, 0, 0.3),
        (300, 20, 150, 0.15),
        (300, 300, 0, 0.3),
        (300, 130, 295, 0.13),
        (300, 20, None, 0.3),
        (101, 1, 1, None),
    ],
    ids=[
        "descheduled", "slept", "slept and waited", "computed", "computed and waited", "no figure",
        "a moment",
    ],
)  # fmt: skip
def test_what_a_thread_waited_for_a_processor_is_not_the_plugins(
    blocks: list[Block], ask: Ask, took: int, cpu: int, waited: int | None, blocked: float | None
) -> None:
    readings = iter([None, None] if waited is None else [7 * MS, (7 + waited) * MS])
    guard = LoopGuard(blocks.append, lambda: next(readings))
    guard.look()
    guard.slow(ask("nothing", "stepping").job, took * MS, cpu * MS)
    assert [block.seconds for block in blocks] == ([] if blocked is None else [blocked])


def test_the_figure_is_asked_for_again_when_it_is_old_and_not_for_each_step(ask: Ask) -> None:
    asked: list[int] = []
    guard = LoopGuard(queued=lambda: len(asked))
    assert guard.fresh_until == 0
    before = now_ns()
    after = guard.look()
    assert before <= after <= now_ns()
    assert guard.fresh_until == after + FRESH_NS < after + LIMIT_NS // 2


def test_a_kernel_that_counts_nothing_says_nothing() -> None:
    assert waited_in(b"51301746 157452977 34\n") == 157452977
    assert waited_in(b"0 0 0\n") is None
    assert QueueTime()() is None


@pytest.fixture
def crowded() -> Iterator[None]:
    """Have this thread share one processor with others that never stop."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    rivals = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(RIVALS)]
    try:
        yield
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("do", "own", "told"), [("burn_a_little", 0.06, False), ("sleep_once", 0.16, True)]
)
async def test_on_a_busy_machine_sleep_is_told_from_waiting(
    blocks: list[Block], tmp_path: Path, ask: Ask, crowded: None, do: str, own: float, *, told: bool
) -> None:
    """Sixty milliseconds of work take far longer here, as do those of sleep and a little work."""
    guard = LoopGuard(blocks.append)
    guard.open(tmp_path)
    worker = InlineWorker(tmp_path, guard)
    try:
        took = 0.0
        while took < 0.12:  # the rivals may not have begun
            blocks.clear()
            outcome = await worker.run(ask(do, "stepping"))
            assert outcome.status is RunStatus.SUCCEEDED
            assert outcome.usage.wall_ms is not None
            took = outcome.usage.wall_ms / 1e3
    finally:
        guard.close()
    assert [block.plugin_id for block in blocks] == (["stepping"] if told else [])
    # What was waited for is known to 10 ms, and all of this is less than the run.
    assert all(own - FRESH_NS / 1e9 <= block.seconds <= took for block in blocks)
