"""Sessions of one exchange: one sorted table, asked by bisection; instants are UTC-aware."""

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from optifire.core.errors import ConfigError

DAY = timedelta(days=1)


class CalendarRangeError(ConfigError):
    """The calendar was asked about a date outside its table: an error, never "closed"."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day ``[open, close)``; ``half_day`` says that it closes early."""

    date: dt.date
    open: datetime
    close: datetime
    half_day: bool = False


@dataclass(frozen=True, slots=True)
class Closure:
    """A day that somebody declared closed after the table was made, and why."""

    date: dt.date
    why: str


@dataclass(frozen=True, slots=True)
class RegularHours:
    """Open and close of an ordinary session, as time since local midnight.

    An exchange that opens on the evening before has a negative ``open``.
    """

    open: timedelta
    close: timedelta


class Calendar(Protocol):
    """The sessions of one market. Instants are UTC-aware; dates are the market's own.

    Every method raises `CalendarRangeError` for what lies outside ``first`` to ``horizon``.
    """

    @property
    def name(self) -> str:
        """Give the exchange's code, such as ``XNYS``."""

    @property
    def tz(self) -> str:
        """Give the market's IANA time zone."""

    @property
    def always_open(self) -> bool:
        """Tell whether this market never opens and never closes."""

    @property
    def first(self) -> dt.date:
        """Give the first date that the calendar knows about."""

    @property
    def horizon(self) -> dt.date:
        """Give the last date that the calendar knows about."""

    @property
    def regular(self) -> RegularHours:
        """Give the hours of an ordinary session, against which offsets are judged."""

    def next_open(self, instant: datetime) -> datetime | None:
        """Give the first open strictly after the instant; None if it never opens."""

    def next_close(self, instant: datetime) -> datetime | None:
        """Give the first close strictly after the instant; None if it never closes."""

    def session_on(self, date: dt.date) -> Session | None:
        """Give the session of that date, None if the market is closed all day."""

    def is_open(self, instant: datetime) -> bool:
        """Tell whether the instant lies in a session: ``open <= instant < close``."""

    def session_at(self, instant: datetime) -> Session | None:
        """Give the session with ``open <= instant < close``, None while the market is closed."""

    def last_session(self, instant: datetime) -> Session:
        """Give the latest session that opened at or before the instant."""

    def next_session(self, instant: datetime) -> Session:
        """Give the first session that opens strictly after the instant."""

    def sessions(self, first: dt.date, last: dt.date) -> Sequence[Session]:
        """Give all sessions from one date to another, both included."""

    def holidays(self, first: dt.date, last: dt.date) -> Sequence[tuple[dt.date, str]]:
        """Give the days from one date to another that are closed by name, both included."""


@dataclass(frozen=True, slots=True, eq=False)
class SessionTable:
    """A calendar as one sorted table, exact and quick: each question is one bisection.

    Parameters
    ----------
    name, tz
        The exchange's code and its IANA zone.
    first, horizon
        The dates that the table covers, both included. Days between them without a session are
        closed; days outside are unknown, and asking about them is an error.
    regular
        Hours of an ordinary session.
    dates, opens, closes
        The sessions, oldest first, as columns of equal length; instants in UTC.
    half_days
        The dates of sessions that close early.
    closed
        Names of the days without a session that are not weekends, by date.
    """

    name: str
    tz: str
    first: dt.date
    horizon: dt.date
    regular: RegularHours
    dates: Sequence[dt.date] = field(repr=False)
    opens: Sequence[datetime] = field(repr=False)
    closes: Sequence[datetime] = field(repr=False)
    half_days: frozenset[dt.date] = field(default=frozenset(), repr=False)
    closed: Mapping[dt.date, str] = field(default_factory=dict, repr=False)

    @property
    def always_open(self) -> bool:
        """Tell that this market closes."""
        return False

    def next_open(self, instant: datetime) -> datetime:
        """Give the first open strictly after the instant."""
        index = bisect_right(self.opens, instant)
        if 0 < index < len(self.opens):
            return self.opens[index]
        return self._at_the_edge(self.opens, index, instant)

    def next_close(self, instant: datetime) -> datetime:
        """Give the first close strictly after the instant."""
        index = bisect_right(self.closes, instant)
        if 0 < index < len(self.closes):
            return self.closes[index]
        return self._at_the_edge(self.closes, index, instant)

    def session_on(self, date: dt.date) -> Session | None:
        """Give the session of that date, None if the market is closed all day."""
        self._require(date)
        index = bisect_left(self.dates, date)
        found = index < len(self.dates) and self.dates[index] == date
        return self._row(index) if found else None

    def is_open(self, instant: datetime) -> bool:
        """Tell whether the instant lies in a session: ``open <= instant < close``."""
        index = bisect_right(self.opens, instant)
        if not 0 < index < len(self.opens):
            self._require(self._date_of(instant))
        return index > 0 and instant < self.closes[index - 1]

    def session_at(self, instant: datetime) -> Session | None:
        """Give the session with ``open <= instant < close``, None while the market is closed."""
        if not self.is_open(instant):
            return None
        return self._row(bisect_right(self.opens, instant) - 1)

    def last_session(self, instant: datetime) -> Session:
        """Give the latest session that opened at or before the instant."""
        index = bisect_right(self.opens, instant)
        if index == 0:
            raise _outside(self, self.first - DAY)
        if index == len(self.opens):
            self._require(self._date_of(instant))
        return self._row(index - 1)

    def next_session(self, instant: datetime) -> Session:
        """Give the first session that opens strictly after the instant."""
        index = bisect_right(self.opens, instant)
        if not 0 < index < len(self.opens):
            self._at_the_edge(self.opens, index, instant)
        return self._row(index)

    def sessions(self, first: dt.date, last: dt.date) -> Sequence[Session]:
        """Give all sessions from one date to another, both included."""
        self._require(first, last)
        start, stop = bisect_left(self.dates, first), bisect_right(self.dates, last)
        return [self._row(index) for index in range(start, stop)]

    def holidays(self, first: dt.date, last: dt.date) -> Sequence[tuple[dt.date, str]]:
        """Give the days from one date to another that are closed by name, both included."""
        self._require(first, last)
        return sorted((day, why) for day, why in self.closed.items() if first <= day <= last)

    def with_closures(self, closures: Iterable[Closure]) -> "SessionTable":
        """Give this table without the sessions of those days, which keep the reasons as names."""
        days = {each.date: each.why for each in closures}
        why = {date: days[date] for date in self.dates if date in days}
        if not why:
            return self
        kept = [index for index, date in enumerate(self.dates) if date not in why]
        return replace(
            self,
            dates=[self.dates[index] for index in kept],
            opens=[self.opens[index] for index in kept],
            closes=[self.closes[index] for index in kept],
            closed={**self.closed, **why},
        )

    def _row(self, index: int) -> Session:
        date = self.dates[index]
        return Session(date, self.opens[index], self.closes[index], date in self.half_days)

    def _at_the_edge(self, table: Sequence[datetime], index: int, instant: datetime) -> datetime:
        """Give the answer where the first row is asked for, an error where there is no row."""
        self._require(self._date_of(instant))
        if index == len(table):
            raise _outside(self, self.horizon + DAY)
        return table[index]

    def _date_of(self, instant: datetime) -> dt.date:
        return instant.astimezone(ZoneInfo(self.tz)).date()

    def _require(self, *dates: dt.date) -> None:
        for date in dates:
            if not self.first <= date <= self.horizon:
                raise _outside(self, date)


@dataclass(frozen=True, slots=True)
class AlwaysOpen:
    """The calendar ``24/7``: it never opens and never closes; its sessions are the UTC days."""

    name: str = "24/7"
    tz: str = "UTC"
    first: dt.date = dt.date.min + DAY
    horizon: dt.date = dt.date.max - DAY
    regular: RegularHours = RegularHours(timedelta(), DAY)

    @property
    def always_open(self) -> bool:
        """Tell that this market never closes."""
        return True

    def next_open(self, instant: datetime) -> None:  # noqa: ARG002 - the answer is always the same
        """Give None: what is always open does not open."""
        return

    def next_close(self, instant: datetime) -> None:  # noqa: ARG002 - the answer is always the same
        """Give None: what is always open does not close."""
        return

    def session_on(self, date: dt.date) -> Session:
        """Give the UTC day of that date."""
        start = datetime(date.year, date.month, date.day, tzinfo=UTC)
        return Session(date, start, start + DAY)

    def is_open(self, instant: datetime) -> bool:  # noqa: ARG002 - the answer is always the same
        """Tell that it is open."""
        return True

    def session_at(self, instant: datetime) -> Session:
        """Give the UTC day that holds the instant."""
        return self.session_on(instant.astimezone(UTC).date())

    def last_session(self, instant: datetime) -> Session:
        """Give the UTC day that holds the instant."""
        return self.session_at(instant)

    def next_session(self, instant: datetime) -> Session:
        """Give the UTC day after the one that holds the instant."""
        return self.session_at(instant + DAY)

    def sessions(self, first: dt.date, last: dt.date) -> Sequence[Session]:
        """Give every UTC day from one date to another, both included."""
        return [self.session_on(first + DAY * n) for n in range((last - first).days + 1)]

    def holidays(self, first: dt.date, last: dt.date) -> Sequence[tuple[dt.date, str]]:  # noqa: ARG002
        """Give nothing: there is no holiday."""
        return ()


def _outside(table: SessionTable, date: dt.date) -> CalendarRangeError:
    early = date < table.first
    return CalendarRangeError(
        f"the table covers {table.first} to {table.horizon}, "
        f"and {date} lies {'before' if early else 'after'} that",
        where=f"calendar {table.name}",
        remedy=f"Ask for a date from {table.first} on"
        if early
        else "Ask for an earlier date, or let the service refresh the table (it does at start)",
    )
