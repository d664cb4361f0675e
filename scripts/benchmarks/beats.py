"""W3: jobs on an interval of a second, aligned and staggered: how late, how many, how dear."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks import floor, marks, ours, peer
from benchmarks.measure import Figure, Settings, Target, percentile
from optifire.core.trigger import EPOCH, Every
from optifire.runtime.engine import Pace

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from optifire.core.job import Job
    from optifire.core.schedule import Schedule

SECOND = timedelta(seconds=1)
#: Jobs -> what their lateness should reach; other sizes and staggered jobs are shown alone.
TARGETS = {
    1_000: (Target("floor", 3.5), Target("peer", 2.0)),
    5_000: (Target("floor", 2.5), Target("peer", 3.0)),
}


@dataclass(frozen=True, slots=True)
class Beats:
    """What one system made of its seconds."""

    late: list[float]
    cpu_percent: float
    doubled: int = 0

    def words(self, expected: int) -> str:
        """Say all but the 99th percentile."""
        middle, most = percentile(self.late, 50) * 1e3, max(self.late) * 1e3
        return (
            f"p50 {middle:.1f} max {most:.1f} ms, missed {max(expected - len(self.late), 0):,}, "
            f"doubled {self.doubled}, CPU {self.cpu_percent:.0f} %"
        )


def w3(settings: Settings) -> list[Figure]:
    """Measure the lateness of 100, 1,000 and 5,000 jobs a second."""
    return [
        _figure(settings, jobs, staggered=staggered)
        for jobs in (100, 1_000, 5_000)
        for staggered in (False, True)
    ]


def _figure(settings: Settings, jobs: int, *, staggered: bool) -> Figure:
    seconds = settings.seconds
    connection = floor.database(settings.fresh("floor"), "NORMAL")
    plain = _timed(floor.interval(connection, jobs, seconds, staggered=staggered), seconds)
    connection.close()
    folder = settings.fresh("peer")
    theirs = _timed(peer.interval(folder, jobs, seconds, staggered=staggered), seconds)
    mine = asyncio.run(_ours(settings, jobs, staggered=staggered))
    expected = round(jobs * seconds)
    return Figure(
        "W3",
        f"p99 lateness, {jobs:,} {'staggered' if staggered else 'aligned'}",
        "ms",
        [percentile(mine.late, 99) * 1e3],
        [percentile(plain.late, 99) * 1e3],
        [percentile(theirs.late, 99) * 1e3],
        () if staggered else TARGETS.get(jobs, ()),
        f"ours: {mine.words(expected)}; floor: {plain.words(expected)}; "
        f"peer: {theirs.words(expected)}",
    )


def _timed(work: Coroutine[Any, Any, list[float]], seconds: float) -> Beats:
    began = time.process_time()
    late = asyncio.run(work)
    return Beats(late, (time.process_time() - began) / seconds * 100)


async def _ours(settings: Settings, jobs: int, *, staggered: bool) -> Beats:
    """Run an engine on the wall clock; every run says itself how late it begins."""
    folder = settings.fresh("ours")
    code = ours.write_plugin(
        folder,
        "noop",
        body="begin(context.now, context.plugin_id)",
        imports="from benchmarks.marks import begin",
    )
    house = await ours.House.open(folder)
    marks.BEGUN.clear()
    try:
        first = house.clock.now() + 2 * SECOND
        first = first.replace(microsecond=0)
        program = ours.program_of(_jobs(jobs, code, staggered=staggered))
        engine = house.engine(program, Pace(), start=first - SECOND, since=first - SECOND / 2)
        last = first + timedelta(seconds=settings.seconds)
        async with asyncio.TaskGroup() as group:
            began = time.process_time()
            group.create_task(engine.run(grace=30))
            await asyncio.sleep((last - house.clock.now()).total_seconds() + 0.5)
            cpu = time.process_time() - began
            engine.stop()
    finally:
        await house.close()
    kept = [(due, who, late) for due, who, late in marks.BEGUN if first <= due < last]
    once = {(due, who) for due, who, _ in kept}
    late = [each for _, _, each in kept]
    return Beats(late, cpu / settings.seconds * 100, len(kept) - len(once))


def _jobs(count: int, code: Path, *, staggered: bool) -> list[Job]:
    aligned = ours.schedule_of("interval_1s")
    return [
        ours.job_of(
            f"noop_{number}", code, _shifted(aligned, number / count) if staggered else aligned
        )
        for number in range(count)
    ]


def _shifted(schedule: Schedule, seconds: float) -> Schedule:
    """Give the same second grid, so many seconds later."""
    every = Every(SECOND, EPOCH + timedelta(seconds=seconds))
    entries = tuple(replace(entry, trigger=every) for entry in schedule.entries)
    return replace(schedule, entries=entries)
