"""What schedule words mean, said in English."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from cronsim import CronSim

from optifire.core.due import HalfDay

UNTIMED: Mapping[str, str] = MappingProxyType(
    {
        "@continuous": "resident: always running, started again with backoff when it ends",
        "@manual": "only when a person runs it",
        "@event": "only on the events among its triggers",
    }
)
PERIODS: Mapping[str, str] = MappingProxyType(
    {
        "@weekopen": "the first {} open of each week",
        "@weekclose": "the last {} close of each week",
        "@monthopen": "the first {} open of each month",
        "@monthclose": "the last {} close of each month",
    }
)
HALF_DAYS: Mapping[HalfDay, str] = MappingProxyType(
    {
        "follow": "half days follow",
        "skip": "half days are recorded as skipped",
        "only": "on half days only",
    }
)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def span(length: timedelta) -> str:
    """Give a length of time in words: "5 minutes", "1 hour 30 minutes"."""
    left = int(length.total_seconds())
    parts = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(parts)


def every(length: timedelta) -> str:
    """Give a period in words: "every 5 minutes", "every hour"."""
    text = span(length)
    return f"every {text.removeprefix('1 ') if text.count(' ') == 1 else text}"


def around(side: str, offset: timedelta, calendar: str) -> str:
    """Give an open or close and its offset: "5 minutes after the open of each XNYS session"."""
    anchor = f"the {side} of each {calendar} session"
    if not offset:
        return anchor
    return f"{span(abs(offset))} {'after' if offset > timedelta() else 'before'} {anchor}"


def cron(sim: CronSim, tz: str) -> str:
    """Give a cron line in words, with its zone: "at 09:00 every day, America/New_York time"."""
    text = sim.explain()
    return f"{text[:1].lower()}{text[1:]}, {tz} time"
