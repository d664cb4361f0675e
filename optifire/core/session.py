"""Phases of a trading day, and the host's session events.

The early and late trading sessions are facts of the New York exchanges: early from 04:00, late
until 20:00, or until 17:00 on a day that closes early (NYSE, "Holidays & Trading Hours").
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from optifire.core.calendar import Calendar, Session

NEW_YORK = ZoneInfo("America/New_York")
#: The calendars that have early and late trading.
EXTENDED_HOURS = frozenset({"XNYS"})
PREMARKET = time(4)
POSTMARKET_END = time(20)
POSTMARKET_END_HALF_DAY = time(17)

#: The events that the host publishes, and the schedule word that each stands for. ``half_day``
#: is the open of a half day.
SESSION_EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "premarket": "@premarket",
        "market_open": "@open",
        "market_close": "@close",
        "half_day": "@open",
    }
)


class Phase(StrEnum):
    """Where an instant lies in the trading day."""

    PREMARKET = "premarket"
    REGULAR = "regular"
    POSTMARKET = "postmarket"
    CLOSED = "closed"


def premarket_of(session: Session) -> datetime:
    """Give the instant at which early trading starts: 04:00 New York."""
    return datetime.combine(session.date, PREMARKET, NEW_YORK).astimezone(UTC)


def postmarket_end_of(session: Session) -> datetime:
    """Give the instant at which late trading ends: 20:00 New York, 17:00 on a half day."""
    end = POSTMARKET_END_HALF_DAY if session.half_day else POSTMARKET_END
    return datetime.combine(session.date, end, NEW_YORK).astimezone(UTC)


def phase_at(instant: datetime, calendar: Calendar) -> Phase:
    """Give the phase of the trading day; other markets than New York's know regular and closed.

    Raises
    ------
    CalendarRangeError
        The instant lies outside the calendar's table.
    """
    if calendar.session_at(instant) is not None:
        return Phase.REGULAR
    if calendar.name not in EXTENDED_HOURS:
        return Phase.CLOSED
    session = calendar.session_on(instant.astimezone(NEW_YORK).date())
    if session is None or not premarket_of(session) <= instant < postmarket_end_of(session):
        return Phase.CLOSED
    return Phase.PREMARKET if instant < session.open else Phase.POSTMARKET
