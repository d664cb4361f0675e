"""What the sandbox adds to an isolated run: the same in a spare with it and without, in turns."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.measure import Figure, Settings, Target, require
from benchmarks.processes import DUE, a_spare, bare_fork
from optifire.core.job import Placement
from optifire.core.ports import RunRequest
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.zygotes import Zygotes

if TYPE_CHECKING:
    from optifire.core.job import Job

#: Runs of either kind that count, and those before them.
RUNS = 100
WARM = 10
#: The kinds of zygotes by what is imported in them.
KINDS = {"light": (), "pandas": ("pandas",)}


@dataclass(slots=True)
class Turns:
    """Milliseconds, turn by turn: of a bare fork, of a run without the sandbox and of one in it."""

    floor: list[float] = field(default_factory=list)
    free: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)


def sandbox(settings: Settings) -> list[Figure]:
    """Measure what the sandbox adds, with and without pandas at hand."""
    return [asyncio.run(_kind(settings, name, modules)) for name, modules in KINDS.items()]


async def _kind(settings: Settings, name: str, modules: tuple[str, ...]) -> Figure:
    turns = await _taken(settings, modules)
    free, held = statistics.median(turns.free), statistics.median(turns.held)
    return Figure(
        "sandbox",
        f"sandbox added, {name}, spare, p50",
        "ms",
        [held - free],
        [statistics.median(turns.floor)],
        targets=(Target("most", 0.3),),
        note=f"a run: {free:.2f} ms without, {held:.2f} with; floor: a bare fork, killed at once",
    )


async def _taken(settings: Settings, modules: tuple[str, ...]) -> Turns:
    """Take turns; which of the two runs is first alternates."""
    folder = settings.fresh("home")
    code = ours.write_plugin(folder / "plugins", "noop")
    schedule = ours.schedule_of("@manual")
    free = ours.job_of("noop", code, schedule, placement=Placement.ISOLATED, modules=modules)
    held = replace(free, sandbox=True)
    asked, turns = WorkerSettings(folder, folder / "data"), Turns()
    bare, worker = Zygotes(asked), IsolatedWorker(asked)
    kept = [(free, turns.free), (held, turns.held)]
    try:
        await worker.ready(modules)
        await _run(worker, free, 0)
        for number in range(RUNS + WARM):
            forked = await bare_fork(bare, modules)
            for job, walls in kept if number % 2 else reversed(kept):
                await a_spare(worker, job)
                wall = await _run(worker, job, number)
                if number >= WARM:
                    walls.append(wall * 1e3)
            if number >= WARM:
                turns.floor.append(forked * 1e3)
    finally:
        await worker.stop()
        await bare.close()
    return turns


async def _run(worker: IsolatedWorker, job: Job, number: int) -> float:
    """Give the seconds of one run, from its order until its process is reaped."""
    key = RunKey(PluginId("noop"), DUE)
    view = RunView(CycleView({}, None), job.plugin_id)
    request = RunRequest(key, key.run_id, number, job, DUE, 30.0, {}, view)
    began = time.perf_counter()
    outcome = await worker.run(request)
    wall = time.perf_counter() - began
    require(outcome.status, RunStatus.SUCCEEDED, str(outcome.failure))
    return wall
