"""W6: one year of instants of a cron line and of session words, in microseconds an instant."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from cronsim import CronSim

from benchmarks.measure import Figure, Settings, Target, in_turns, require
from benchmarks.ours import schedule_of
from optifire.calendars.registry import load_calendar

if TYPE_CHECKING:
    from optifire.core.calendar import Calendar

LINE, ZONE = "*/5 9-16 * * 1-5", "America/New_York"
FIRST, LAST = datetime(2018, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)
Next = Callable[[datetime], datetime | None]


def w6(settings: Settings) -> list[Figure]:
    """Measure one step from instant to instant, over the year 2018."""
    calendar = load_calendar("XNYS", Path())
    return [_cron(settings, calendar), *(_word(settings, calendar, w) for w in ("@open", "@close"))]


def _cron(settings: Settings, calendar: Calendar) -> Figure:
    trigger = CronTrigger.from_crontab("*/5 9-16 * * mon-fri", timezone=ZONE)
    expected = len(_walk(_ours(LINE, calendar)))
    kept = in_turns(
        settings.rounds,
        lambda: _cost(_ours(LINE, calendar), expected),
        floor=lambda: _iterate(expected),
        peer=lambda: _cost(lambda instant: trigger.get_next_fire_time(instant, instant), expected),
    )
    return Figure(
        "W6",
        LINE,
        "us/instant",
        kept.ours,
        kept.floor,
        kept.peer,
        (Target("floor", 1.5),),
        "floor: a CronSim iterator that runs on; peer: APScheduler's CronTrigger",
    )


def _word(settings: Settings, calendar: Calendar, word: str) -> Figure:
    days = calendar.sessions(FIRST.date(), LAST.date())
    table = [day.open if word == "@open" else day.close for day in days]

    def look_up(instant: datetime) -> datetime | None:
        index = bisect_right(table, instant)
        return table[index] if index < len(table) else None

    expected = len(_walk(look_up))
    kept = in_turns(
        settings.rounds,
        lambda: _cost(_ours(word, calendar), expected),
        floor=lambda: _cost(look_up, expected),
    )
    targets = (Target("floor", 10.0),)
    note = "floor: a sorted table and one bisection"
    return Figure("W6", word, "us/instant", kept.ours, kept.floor, (), targets, note)


def _ours(word: str, calendar: Calendar) -> Next:
    """Give the step that the planner takes, terms and all."""
    schedule = schedule_of(word, calendar)

    def step(instant: datetime) -> datetime | None:
        due = schedule.next_known(instant)
        return None if due is None else due.instant

    return step


def _walk(step: Next) -> list[datetime]:
    found: list[datetime] = []
    instant = step(FIRST)
    while instant is not None and instant < LAST:
        found.append(instant)
        instant = step(instant)
    return found


def _cost(step: Next, expected: int) -> float:
    began = time.perf_counter()
    found = _walk(step)
    spent = time.perf_counter() - began
    require(len(found), expected, "instants")
    return spent / expected * 1e6


def _iterate(expected: int) -> float:
    """Let one CronSim iterator run on, and bring what it gives to UTC as everybody else does."""
    began = time.perf_counter()
    count = 0
    for local in CronSim(LINE, FIRST.astimezone(ZoneInfo(ZONE))):
        if local.astimezone(UTC) >= LAST:
            break
        count += 1
    spent = time.perf_counter() - began
    require(count, expected, "instants of CronSim")
    return spent / count * 1e6
