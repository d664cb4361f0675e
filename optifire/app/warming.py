"""Has zygotes and spares stand before runs need them, and go when none will for a while."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.errors import OptifireError
from optifire.core.job import Placement
from optifire.runtime.clock import real_pause
from optifire.workers.zygotes import DATA, LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optifire.core.job import Job
    from optifire.core.types import PluginId
    from optifire.runtime.engine import Engine
    from optifire.runtime.planner import Planner, Upcoming
    from optifire.workers.isolated import IsolatedWorker

#: How long before a due instant all stands. A start takes a second, several with a cold disk.
AHEAD: Final = timedelta(seconds=30)
#: Without a run for so long, behind and ahead, what stands goes. A start costs a second of one
#: core; what it saves is some 75 MB of a data zygote, and 5 MB of each spare.
IDLE: Final = timedelta(minutes=5)
#: Seconds between two looks; the first one leaves the runs of a start alone.
PERIOD: Final = 5.0
FIRST: Final = 1.0
#: Children held ready, by kind. Jobs that need pandas come together, at opens and closes.
SPARES: Final[Mapping[str, int]] = {LIGHT: 1, DATA: 2}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the schedule says of one kind of zygote.

    Attributes
    ----------
    due
        When a run needs it next; None if none does within `IDLE`.
    modules
        What all jobs that may need it import.
    """

    due: datetime | None
    modules: tuple[str, ...]


def outlook(jobs: Mapping[PluginId, Job], upcoming: Iterable[Upcoming]) -> Mapping[str, Outlook]:
    """Give what lies ahead of each kind, from what is due soonest first."""
    isolated = {each: job for each, job in jobs.items() if job.placement is Placement.ISOLATED}
    dues: dict[str, datetime] = {}
    for one in upcoming:
        if one.plugin_id in isolated:
            dues.setdefault(_kind(isolated[one.plugin_id]), one.due)
    modules = dict.fromkeys(module for job in isolated.values() for module in job.code.modules)
    return {LIGHT: Outlook(dues.get(LIGHT), ()), DATA: Outlook(dues.get(DATA), tuple(modules))}


def stands(ahead: Outlook, now: datetime, *, stood: bool, idle: float) -> bool:
    """Decide whether a kind is to stand; ``idle`` is for how many seconds nothing ran on it."""
    if ahead.due is not None and ahead.due - now <= AHEAD:
        return True
    return stood and (ahead.due is not None or idle < IDLE.total_seconds())


def _kind(job: Job) -> str:
    return DATA if job.code.modules else LIGHT


async def keep_warm(engine: Engine, isolated: IsolatedWorker) -> None:
    """Look ahead again and again."""
    await real_pause(FIRST)
    while True:
        now = engine.rooms.clock.now()
        await look_ahead(engine.program.jobs, engine.planner(), isolated, now)
        await real_pause(PERIOD)


async def look_ahead(
    jobs: Mapping[PluginId, Job], planner: Planner, isolated: IsolatedWorker, now: datetime
) -> None:
    """Have what the next minutes need stand, and let the rest go; the light zygote stays."""
    ahead = outlook(jobs, planner.next_of_each(now + IDLE))
    for name in (LIGHT, DATA):
        kept = isolated.zygotes.kind(name)
        stood = kept.alive if name == DATA else kept.spares > 0
        if stands(ahead[name], now, stood=stood, idle=kept.idle):
            kept.want(SPARES[name])
            with suppress(OptifireError):  # it is in health, and every run that needs it says so
                await isolated.ready(ahead[name].modules)
        else:
            kept.want(0)
            if name == DATA:
                kept.drop()
