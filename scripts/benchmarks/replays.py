"""W8: a year of daily runs replayed, inline and through two workers."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.measure import Figure, Settings, Target, require
from optifire.backtest.replay import Replay, ReplayOptions, ReplayResult
from optifire.calendars.registry import load_calendar
from optifire.core.job import Placement
from optifire.runtime.clock import wall_now
from optifire.store.sqlite import SqliteStore
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import WorkerSettings
from optifire.workers.pooled import PooledWorker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.calendar import Calendar, Session
    from optifire.core.ports import Worker

SESSIONS, JOBS = 252, 75


def w8(settings: Settings) -> list[Figure]:
    """Measure a replay of 252 sessions of 75 daily jobs: 18,900 runs that do nothing."""
    calendar = load_calendar("XNYS", Path())
    days = calendar.sessions(dt.date(2018, 1, 2), dt.date(2019, 1, 31))[:SESSIONS]
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
