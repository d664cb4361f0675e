"""Reads intervals and cron lines, with or without ``@session``."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from optifire.core import phrases
from optifire.core.cron import OnCron
from optifire.core.entry import Entry
from optifire.core.reading import Reading
from optifire.core.trigger import Every, InSession

#: Cron lines with a name, as in Vixie cron, in the market's zone.
ALIASES: Mapping[str, str] = MappingProxyType(
    {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
)
SESSION_SUFFIX = "@session"
UNITS: Mapping[str, timedelta] = MappingProxyType(
    {
        "s": timedelta(seconds=1),
        "m": timedelta(minutes=1),
        "h": timedelta(hours=1),
        "d": timedelta(days=1),
    }
)
LONGEST_INTERVAL = timedelta(days=3660)
CRON_FIELDS = 5
#: From when on a line's first firing is looked for; any instant would do.
REFERENCE = datetime(2000, 1, 1, tzinfo=UTC)
#: Local hours in which clocks change in most zones that change them.
RISKY_HOURS = (1, 2)

_INTERVAL = re.compile(r"interval_([0-9]{1,9})([smhd])")


def grid_word(text: str, reading: Reading) -> Entry | None:
    """Give the entry of an interval or a cron line, None if it is neither.

    Raises
    ------
    ConfigError
        It is malformed, or can never fire.
    """
    body = text.removesuffix(SESSION_SUFFIX).rstrip()
    if body.startswith("interval"):
        entry = _interval(text, body, reading)
    elif text in ALIASES or " " in body:
        entry = _cron(text, ALIASES.get(text, body), reading)
    else:
        return None
    return entry if body == text else _inside(entry, reading)


def _interval(text: str, body: str, reading: Reading) -> Entry:
    match = _INTERVAL.fullmatch(body)
    if match is None:
        raise reading.bad(
            f"{text!r} is not an interval",
            'Write a whole number and one of s, m, h, d, as in "interval_5m"',
        )
    seconds = int(match[1]) * int(UNITS[match[2]].total_seconds())
    if not 0 < seconds <= LONGEST_INTERVAL.total_seconds():
        raise reading.bad(
            f"{text!r} is {'longer than ten years' if seconds else 'no time at all'}",
            'Write an interval from one second to ten years, as in "interval_30s"',
        )
    interval = timedelta(seconds=seconds)
    meaning = f"{phrases.every(interval)}, counted from 1970-01-01 00:00 UTC"
    return Entry(text, Every(interval), meaning, grace=interval / 2)


def _cron(text: str, line: str, reading: Reading) -> Entry:
    count = len(line.split())
    if count != CRON_FIELDS:
        raise reading.bad(
            f"{text!r} has {count} fields, and a cron line has five",
            'Write minute, hour, day of month, month and day of week, as in "0 9 * * 1-5"',
        )
    try:
        trigger = OnCron(line, reading.tz)
    except CronSimError as error:
        raise reading.bad(
            f"{text!r} is not a cron line, or never fires: {str(error).lower()}",
            'Write five fields such as "*/5 9-16 * * 1-5" (minute 0-59, hour 0-23, day of '
            "month 1-31, month 1-12, day of week 0-7)",
        ) from error
    if trigger.next_after(REFERENCE, reading.calendar) is None:
        raise reading.bad(f"{text!r} never fires", "Name a day that exists")
    meaning = phrases.cron(CronSim(line, REFERENCE), reading.tz)
    return Entry(text, trigger, meaning, warnings=_risks(text, trigger))


def _risks(text: str, trigger: OnCron) -> tuple[str, ...]:
    """Give the warning about fixed local times at which clocks change."""
    risky = [at for at in trigger.local_times if trigger.fixed and at.hour in RISKY_HOURS]
    if not risky or ZoneInfo(trigger.tz).utcoffset(None) is not None:
        return ()
    told = (
        f"{text!r} names {risky[0]:%H:%M} {trigger.tz} time, which can be missing or doubled when "
        "clocks change: it then fires at the first minute after the gap, or at the first of both; "
        "a time outside 01:00 to 03:00 avoids that"
    )
    return (told,)


def _inside(entry: Entry, reading: Reading) -> Entry:
    """Give the entry restricted to sessions."""
    reading.require_sessions(entry.word)
    trigger = InSession(entry.trigger) if entry.trigger else None
    meaning = f"{entry.meaning}, while {reading.calendar.name} is in session"
    return reading.require_firing(replace(entry, trigger=trigger, meaning=meaning))
