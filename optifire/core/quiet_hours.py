"""Quiet hours: parts of the day, in the zone of who sleeps, in which only urgent alerts go out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo

from optifire.core.errors import UsageError

_SPAN = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


def parse_span(text: str) -> tuple[time, time]:
    """Give beginning and end of ``22:00-07:00``; what ends before it begins goes over midnight.

    Raises
    ------
    UsageError
        It is nothing of this kind, or it would be the whole day or nothing.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is not None:
        hour, minute, until_hour, until_minute = map(int, match.groups())
        begin, end = time(hour, minute), time(until_hour, until_minute)
        if begin != end:
            return begin, end
    raise UsageError(
        f"{text!r} is not a part of the day",
        where="quiet hours",
        remedy='Write two times of 24 hours that differ, as in "22:00-07:00"',
    )


def always_in_session(_: date) -> bool:
    """Tell that no day is quiet as a whole."""
    return True


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When it is quiet.

    Attributes
    ----------
    zone
        Whose clock on the wall counts.
    span
        The quiet part of each day, its beginning included and its end not; None for none.
    in_session
        Tells whether a day has a session; one without is quiet as a whole.
    """

    zone: tzinfo
    span: tuple[time, time] | None = None
    in_session: Callable[[date], bool] = always_in_session

    def holds(self, now: datetime) -> bool:
        """Tell whether an instant is quiet.

        The hour that daylight saving repeats is quiet both times or neither, and the one that it
        leaves out is not missed: only the clock on the wall counts.
        """
        local = now.astimezone(self.zone)
        if not self.in_session(local.date()):
            return True
        if self.span is None:
            return False
        begin, end = self.span
        moment = local.time()
        if begin < end:
            return begin <= moment < end
        return moment >= begin or moment < end
