"""Builds a session table with exchange_calendars; meant for a short-lived child process.

The package costs seconds and about 80 MB to import, which the service does not pay:
``python -m optifire.calendars.exchange XNYS --today 2026-11-20 --out FILE`` writes the table.
"""

import argparse
import datetime as dt
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from optifire.calendars.table import Header, format_table
from optifire.core.calendar import RegularHours, Session

FIRST = dt.date(1990, 1, 1)
#: A table ends with the third year after the one it was built in: at least three years ahead.
YEARS_AHEAD = 3
MOURNING = "National day of mourning"
#: Why XNYS was closed on days outside every rule, from 1990 on. The dates stand in
#: exchange_calendars (us_holidays.py); the occasions are history.
XNYS_OCCASIONS: Mapping[str, str] = MappingProxyType(
    {
        "1994-04-27": f"{MOURNING}: Richard Nixon",
        "2001-09-11": "Terrorist attacks of 11 September",
        "2001-09-12": "Terrorist attacks of 11 September",
        "2001-09-13": "Terrorist attacks of 11 September",
        "2001-09-14": "Terrorist attacks of 11 September",
        "2004-06-11": f"{MOURNING}: Ronald Reagan",
        "2007-01-02": f"{MOURNING}: Gerald Ford",
        "2012-10-29": "Hurricane Sandy",
        "2012-10-30": "Hurricane Sandy",
        "2018-12-05": f"{MOURNING}: George H. W. Bush",
        "2025-01-09": f"{MOURNING}: Jimmy Carter",
    }
)
AD_HOC = "Closed for the day, outside the exchange's regular holidays"


def build(name: str, today: dt.date) -> bytes:
    """Give the table file of one exchange, from 1990 (or its first known day) on.

    Raises
    ------
    exchange_calendars.errors.CalendarError
        exchange_calendars knows no such calendar.
    """
    import exchange_calendars

    code = exchange_calendars.resolve_alias(name)
    start, end = _span(type(exchange_calendars.get_calendar(code)), today)
    cal = exchange_calendars.get_calendar(code, start=start, end=end)
    header = Header(
        calendar=code,
        tz=str(cal.tz),
        source=f"exchange_calendars {version('exchange_calendars')}",
        licence="Apache-2.0",
        built=today,
        first=start,
        horizon=end,
        regular=RegularHours(
            _hours(cal.open_times[-1][1], cal.open_offset),
            _hours(cal.close_times[-1][1], cal.close_offset),
        ),
    )
    return format_table(header, list(_sessions(cal)), dict(_closed(cal, start, end)))


def _span(factory: Any, today: dt.date) -> tuple[dt.date, dt.date]:  # noqa: ANN401 - an untyped package
    """Give the first and last day to build, cut to what the package knows of this exchange."""
    low, high = factory.bound_min(), factory.bound_max()
    start = FIRST if low is None else max(FIRST, low.date())
    end = dt.date(today.year + YEARS_AHEAD, 12, 31)
    return start, end if high is None else min(end, high.date())


def _sessions(cal: Any) -> Iterator[Session]:  # noqa: ANN401 - as above
    half = set(cal.early_closes.date)
    rows = zip(cal.sessions, cal.opens, cal.closes, strict=True)
    for label, opening, closing in rows:
        date = label.date()
        yield Session(date, _utc(opening), _utc(closing), date in half)


def _utc(stamp: Any) -> datetime:  # noqa: ANN401 - as above
    """Give a pandas instant, which may come without its zone though it means UTC."""
    return stamp.to_pydatetime().replace(tzinfo=UTC)  # type: ignore[no-any-return]


def _closed(cal: Any, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, str]]:  # noqa: ANN401
    """Give the days of the exchange's week that have no session, and what they are called."""
    held = set(cal.sessions.date)
    named = dict(_named(cal, first, last))
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        if cal.weekmask[day.weekday()] == "1" and day not in held:
            yield day, named.get(day, AD_HOC)


def _named(cal: Any, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, str]]:  # noqa: ANN401
    """Give the regular holidays by name, and the occasions that are known."""
    if cal.regular_holidays is not None:
        found = cal.regular_holidays.holidays(first, last, return_name=True)
        for stamp, label in found.items():
            yield stamp.date(), str(label)
    if cal.name == "XNYS":
        for day, occasion in XNYS_OCCASIONS.items():
            yield dt.date.fromisoformat(day), occasion


def _hours(time: dt.time, days: int) -> timedelta:
    return timedelta(days=days, hours=time.hour, minutes=time.minute)


def main(arguments: list[str] | None = None) -> None:
    """Write one table by way of a temporary file, so that no reader sees half of it."""
    parser = argparse.ArgumentParser(description="Build the session table of one exchange.")
    parser.add_argument("name", help="calendar of exchange_calendars, such as XNYS")
    parser.add_argument("--today", type=dt.date.fromisoformat, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    table = build(asked.name, asked.today)
    partial = asked.out.with_name(f".{asked.out.name}.{os.getpid()}")
    partial.write_bytes(table)
    partial.replace(asked.out)


if __name__ == "__main__":
    main()
