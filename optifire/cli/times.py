"""Instants as people write and read them: market time with its zone."""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from optifire.core.errors import UsageError

DAY = timedelta(days=1)
#: The ledger counts microseconds.
SMALLEST = timedelta(microseconds=1)


def parse_instant(text: str, tz: str, option: str, *, end: bool = False) -> datetime:
    """Give the instant that a person wrote, in UTC.

    Without an offset it is read in ``tz``. A date alone is the first instant of that day, with
    ``end`` the last one, so that a stretch up to it holds the whole day.

    Raises
    ------
    UsageError
        The text is not an instant.
    """
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        date = None
    try:
        if date is not None:
            local = datetime(date.year, date.month, date.day, tzinfo=ZoneInfo(tz))
            return (local + DAY - SMALLEST if end else local).astimezone(UTC)
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(tz))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not an instant",
            where=option,
            remedy="Write 2018-11-23T18:00:00Z, 2018-11-23T13:00 (market time) or 2018-11-23",
        ) from None


def read_instant(text: str) -> datetime:
    """Give the instant that a service has written."""
    return datetime.fromisoformat(text)


def parse_date(text: str, option: str) -> dt.date:
    """Give the date that a person wrote.

    Raises
    ------
    UsageError
        The text is not a date.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a date", where=option, remedy="Write it as 2018-11-23"
        ) from None


def local_text(instant: datetime, tz: str) -> str:
    """Give an instant in market time with its zone, as in ``Fri 2018-11-23 13:00:00 EST``."""
    return f"{instant.astimezone(ZoneInfo(tz)):%a %Y-%m-%d %H:%M:%S %Z}"


def local_of(text: str | None, tz: str) -> str:
    """Give the text of a record's instant in market time, empty for None."""
    return "" if text is None else local_text(datetime.fromisoformat(text), tz)
