"""W7: one isolated run, in a spare or not, beside a bare fork of the same zygote."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

from benchmarks import ours
from benchmarks.measure import Figure, Rounds, Settings, Target, percentile, require
from optifire.core.job import Placement
from optifire.core.ports import RunRequest
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.live import ended
from optifire.workers.zygotes import DATA, LIGHT, Zygotes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.job import Job

#: Isolated runs, and bare forks, of one measurement.
FORKS = 200
#: Of either, before the first that counts.
WARM = 20
DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)


def nothing() -> None:
    """Do nothing, in another process."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of zygote, with a spare or without, and what p50 and p99 are to be at most."""

    name: str
    modules: tuple[str, ...]
    spares: int = 0
    p50: float | None = None
    p99: float | None = None


ROWS = (
    Row("pandas", ("pandas",), p50=8.0),
    Row("light", (), p50=2.5),
    Row("pandas, spare", ("pandas",), spares=1, p50=1.0, p99=8.0),
    Row("light, spare", (), spares=1),
)


def w7(settings: Settings) -> list[Figure]:
    """Measure isolated runs with and without a spare, with and without pandas at hand."""
    figures = []
    for row in ROWS:
        kept = asyncio.run(_isolated(settings, row))
        if row.modules and not row.spares:
            kept.peer = _forkserver(row.modules)
        for percent, bound in ((50, row.p50), (99, row.p99)):
            figures.append(
                Figure(
                    "W7",
                    f"isolated no-op, {row.name}, p{percent}",
                    "ms",
                    [percentile(kept.ours, percent)],
                    [percentile(kept.floor, percent)],
                    [percentile(kept.peer, percent)] if kept.peer else (),
                    () if bound is None else (Target("most", bound),),
                    "floor: a fork of the same zygote that is killed at once; "
                    "peer: multiprocessing's forkserver"
                    if kept.peer and percent == 50  # noqa: PLR2004 - once
                    else "",
                )
            )
    return figures


async def _isolated(settings: Settings, row: Row) -> Rounds:
    """Take turns: a bare fork of the zygote, and a run in one, or in a spare that waits."""
    folder = settings.fresh("home")
    code = ours.write_plugin(folder / "plugins", "noop")
    schedule = ours.schedule_of("@manual")
    job = ours.job_of("noop", code, schedule, placement=Placement.ISOLATED, modules=row.modules)
    asked = WorkerSettings(folder, folder / "data")
    view = RunView(CycleView({}, None), job.plugin_id)
    bare, worker, kept = Zygotes(asked), IsolatedWorker(asked), Rounds()
    try:
        await worker.ready(row.modules)
        for number in range(FORKS + WARM):
            forked = await bare_fork(bare, row.modules)
            if row.spares and number:
                await a_spare(worker, job)
            key = RunKey(PluginId("noop"), DUE)
            request = RunRequest(key, key.run_id, number, job, DUE, 30.0, {}, view)
            began = time.perf_counter()
            outcome = await worker.run(request)
            wall = time.perf_counter() - began
            require(outcome.status, RunStatus.SUCCEEDED, str(outcome.failure))
            if number >= WARM:
                kept.floor.append(forked * 1e3)
                kept.ours.append(wall * 1e3)
    finally:
        await worker.stop()
        await bare.close()
    return kept


async def a_spare(worker: IsolatedWorker, job: Job) -> None:
    """Wait until a spare that a run of a job will take is there, and waits itself.

    There is none before the first run of a plugin: those of before have not its code at hand.
    """
    kind, code = worker.zygotes.kind(DATA if job.code.modules else LIGHT), job.code
    kind.want(1)
    while True:
        await asyncio.sleep(0.002)
        pids = worker.zygotes.spares()
        spares = None if kind.link is None else kind.link.spares
        if spares is None or not spares.ready(code.folder, code.checksum):
            continue
        with suppress(psutil.NoSuchProcess):  # one that is being replaced has ended
            waiting = [psutil.Process(pid).status() == psutil.STATUS_SLEEPING for pid in pids]
            if len(waiting) == spares.count and all(waiting):
                return


async def bare_fork(zygotes: Zygotes, modules: tuple[str, ...]) -> float:
    """Fork a child, kill it at once and wait until it is reaped."""
    link = await zygotes.for_modules(modules)
    began = time.perf_counter()
    await ended(link.fork())
    return time.perf_counter() - began


def _forkserver(modules: Sequence[str]) -> list[float]:
    """Give the milliseconds of a no-op in a process of multiprocessing's forkserver."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules, __name__])
    walls = []
    for number in range(FORKS // 4 + 1):
        began = time.perf_counter()
        process = context.Process(target=nothing)
        process.start()
        process.join()
        if number:
            walls.append((time.perf_counter() - began) * 1e3)
    return walls
