"""Inline runs: what one costs, and how soon one that blocks the loop is seen."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.measure import Figure, Rounds, Settings, Target, require
from optifire.core.job import Job, Placement
from optifire.core.ports import RunRequest
from optifire.core.run import RunKey, RunStatus
from optifire.runtime.blackboard import CycleView, RunView
from optifire.runtime.tuning import settle
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.loopguard import STACKS, Block, LoopGuard
from optifire.workers.steps import Account

if TYPE_CHECKING:
    from pathlib import Path

#: Runs of one round.
RUNS = 2_000
DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)


def inline(settings: Settings) -> list[Figure]:
    """Measure one run beside a bare task, and the time to the stack of a block."""
    runs, blocks = asyncio.run(_measured(settings))
    return [
        Figure(
            "inline",
            "one no-op run",
            "us",
            runs.ours,
            runs.floor,
            targets=(Target("most", 20.0),),
            note="floor: a task of the loop that does nothing",
        ),
        Figure(
            "inline",
            "a block of the loop, to its stack",
            "ms",
            blocks,
            targets=(Target("most", 130.0),),
            note="of which 100 ms make it a block",
        ),
    ]


async def _measured(settings: Settings) -> tuple[Rounds, list[float]]:
    folder = settings.fresh("home")
    code = ours.write_plugin(folder / "plugins", "noop")
    job = ours.job_of("noop", code, ours.schedule_of("@manual"), placement=Placement.INLINE)
    seen: list[Block] = []
    guard, zygotes = LoopGuard(seen.append), IsolatedWorker(WorkerSettings(folder, folder))
    guard.open(folder)
    try:
        await zygotes.start()
        zygotes.watch(guard.shared)
        await zygotes.describe(str(code))  # after which it is watching
        runs = await _runs(settings.rounds, job, InlineWorker(folder, guard))
        blocks = [_block(folder, job, guard) for _ in range(settings.rounds)]
        require(len(seen), settings.rounds, "blocks that were told")
        return runs, blocks
    finally:
        await zygotes.stop()
        guard.close()


async def _runs(rounds: int, job: Job, worker: InlineWorker) -> Rounds:
    """Take turns: tasks that do nothing, and runs that do."""
    key, kept = RunKey(job.plugin_id, DUE), Rounds()
    view = RunView(CycleView({}, None), job.plugin_id)
    request = RunRequest(key, key.run_id, 1, job, DUE, 30.0, {}, view)
    outcome = await worker.run(request)
    require(outcome.status, RunStatus.SUCCEEDED, str(outcome.failure))
    settle()
    for number in range(rounds + 1):
        began = time.perf_counter()
        for _ in range(RUNS):
            await asyncio.create_task(_nothing())
        between = time.perf_counter()
        for _ in range(RUNS):
            await worker.run(request)
        ended = time.perf_counter()
        if number:
            kept.floor.append((between - began) / RUNS * 1e6)
            kept.ours.append((ended - between) / RUNS * 1e6)
    return kept


async def _nothing() -> None:
    """Do nothing, in a task."""


def _block(folder: Path, job: Job, guard: LoopGuard) -> float:
    """Block the loop until the stack of that stands in its file; gives the milliseconds."""

    def block(_: object) -> float:
        began = time.perf_counter()
        while not os.stat(folder / STACKS).st_size:  # noqa: PTH116 - as quick as can be
            pass
        return (time.perf_counter() - began) * 1e3

    took: float = Account(job, guard).step(block, None)
    return took
