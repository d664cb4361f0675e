"""W7 and W8: one isolated run beside a bare fork, and a year of runs replayed."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.measure import Figure, Rounds, Settings, Target, percentile, require
from optifire.backtest.replay import Replay, ReplayOptions, ReplayResult
from optifire.calendars.registry import load_calendar
from optifire.core.job import Placement
from optifire.core.ports import RunRequest, Worker
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView
from optifire.runtime.clock import wall_now
from optifire.store.sqlite import SqliteStore
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings, ended
from optifire.workers.pooled import PooledWorker
from optifire.workers.zygotes import Zygotes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.calendar import Calendar, Session

#: Isolated runs, and bare forks, of one measurement.
FORKS = 200
#: Of either, before the first that counts.
WARM = 20
SESSIONS, JOBS = 252, 75
DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)


def nothing() -> None:
    """Do nothing, in another process."""


def w7(settings: Settings) -> list[Figure]:
    """Measure isolated runs without a spare, with and without pandas at hand."""
    figures = []
    for name, modules, bound in (("pandas", ("pandas",), 8.0), ("light", (), 2.5)):
        kept = asyncio.run(_isolated(settings, modules))
        if modules:
            kept.peer = _forkserver(modules)
        for percent, targets in ((50, (Target("most", bound),)), (99, ())):
            figures.append(
                Figure(
                    "W7",
                    f"isolated no-op, {name}, p{percent}",
                    "ms",
                    [percentile(kept.ours, percent)],
                    [percentile(kept.floor, percent)],
                    [percentile(kept.peer, percent)] if kept.peer else (),
                    targets,
                    "floor: a fork of the same zygote that is killed at once; "
                    "peer: multiprocessing's forkserver"
                    if targets
                    else "",
                )
            )
    return figures


async def _isolated(settings: Settings, modules: tuple[str, ...]) -> Rounds:
    """Take turns: a bare fork of the zygote, and a run in one."""
    folder = settings.fresh("home")
    code = ours.write_plugin(folder / "plugins", "noop")
    schedule = ours.schedule_of("@manual")
    job = ours.job_of("noop", code, schedule, placement=Placement.ISOLATED, modules=modules)
    asked = WorkerSettings(folder, folder / "data")
    view = RunView(CycleView({}, None), job.plugin_id)
    bare, worker, kept = Zygotes(asked), IsolatedWorker(asked), Rounds()
    try:
        for number in range(FORKS + WARM):
            forked = await _bare_fork(bare, modules)
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


async def _bare_fork(zygotes: Zygotes, modules: tuple[str, ...]) -> float:
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


def w8(settings: Settings) -> list[Figure]:
    """Measure a replay of 252 sessions of 75 daily jobs: 18,900 runs that do nothing."""
    calendar = load_calendar("XNYS", Path())
    days = calendar.sessions(datetime(2018, 1, 2).date(), datetime(2019, 1, 31).date())[:SESSIONS]  # noqa: DTZ001 - dates
    figures = []
    for name, pooled, bound in (("inline", False, 2.0), ("two workers", True, 3.0)):
        walls, digests = [], set()
        for _ in range(max(settings.rounds // 2, 1)):
            result = asyncio.run(_replay(settings, calendar, days, pooled=pooled))
            digests.add(result.digest)
            walls.append(result.wall_s)
        require(len(digests), 1, "digests")
        figures.append(
            Figure(
                "W8",
                f"a year of {JOBS} daily jobs, {name}",
                "s",
                walls,
                targets=(Target("most", bound),),
            )
        )
    return figures


async def _replay(
    settings: Settings, calendar: Calendar, days: Sequence[Session], *, pooled: bool
) -> ReplayResult:
    folder = settings.fresh("replay")
    code = ours.write_plugin(folder / "plugins", "noop")
    schedule = ours.schedule_of("@open", calendar)
    placement = Placement.ISOLATED if pooled else Placement.INLINE
    jobs = [ours.job_of(f"noop_{n:02d}", code, schedule, placement=placement) for n in range(JOBS)]
    worker: Worker = InlineWorker(folder)
    if pooled:
        worker = PooledWorker(WorkerSettings(folder, folder / "data", replay=True), size=2)
    path = folder / "replay.db"
    options = ReplayOptions(days[0].date, days[-1].date, db=path, workers=2)
    ledger = SqliteStore(path, clock=wall_now, synchronous="NORMAL")
    result = await Replay(ours.program_of(jobs), calendar, options, worker, ledger).run()
    made = sum(counts.get("succeeded", 0) for counts in result.statuses.values())
    require(made, SESSIONS * JOBS, "replayed runs")
    return result
