"""Triggers: frozen values that answer one question, "when next, strictly after this instant?".

A trigger keeps no cursor and knows no "now": the same question always has the same answer.
"""

import datetime as dt
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol, runtime_checkable

from optifire.core.calendar import Calendar, Session
from optifire.core.session import premarket_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NO_TIME = timedelta()

Period = Literal["week", "month"]


class Trigger(Protocol):
    """A pure answer to "when next, after this instant?"; instants are UTC-aware."""

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first firing strictly after the instant, None if there is no other."""


@runtime_checkable
class SessionTrigger(Trigger, Protocol):
    """A trigger whose every firing belongs to one session."""

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session that this firing belongs to."""

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell whether the firing keeps inside what the session allows (half days are short)."""


@dataclass(frozen=True, slots=True)
class AtOpen:
    """``@open`` and ``@open+5m``: each session's open, moved by an offset."""

    offset: timedelta = NO_TIME

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first such instant strictly after the given one."""
        if not self.offset:
            return calendar.next_open(instant)
        opening = calendar.next_open(instant - self.offset)
        return None if opening is None else opening + self.offset

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session whose open this is."""
        return calendar.session_at(due - self.offset)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell whether the firing is not past the session's close."""
        return due <= session.close


@dataclass(frozen=True, slots=True)
class AtClose:
    """``@close`` and ``@close-10m``: each session's close, moved by an offset."""

    offset: timedelta = NO_TIME

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first such instant strictly after the given one."""
        if not self.offset:
            return calendar.next_close(instant)
        closing = calendar.next_close(instant - self.offset)
        return None if closing is None else closing + self.offset

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session whose close this is."""
        return calendar.session_at(due - self.offset - TICK)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell whether the firing is not before the session's open."""
        return due >= session.open


@dataclass(frozen=True, slots=True)
class AtPremarket:
    """``@premarket``: the start of the early trading session, on session days of XNYS."""

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first such instant strictly after the given one."""
        closing = calendar.next_close(instant)
        while closing is not None:
            session = calendar.session_at(closing - TICK)
            if session is not None and (start := premarket_of(session)) > instant:
                return start
            closing = calendar.next_close(closing)
        return None

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session that is about to open."""
        return calendar.next_session(due)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell whether the firing comes before the open."""
        return due <= session.open


@dataclass(frozen=True, slots=True)
class AtPeriodOpen:
    """``@weekopen`` and ``@monthopen``: the first open of an ISO week or of a month."""

    period: Period

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first such instant strictly after the given one."""
        opening = calendar.next_open(instant)
        while opening is not None:
            session = calendar.session_at(opening)
            if session is not None and not _earlier_in_period(session, self.period, calendar):
                return opening
            opening = calendar.next_open(opening)
        return None

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session whose open this is."""
        return calendar.session_at(due)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell that an open always fits."""
        return due == session.open


@dataclass(frozen=True, slots=True)
class AtPeriodClose:
    """``@weekclose`` and ``@monthclose``: the last close of an ISO week or of a month."""

    period: Period

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first such instant strictly after the given one."""
        closing = calendar.next_close(instant)
        while closing is not None:
            session = calendar.session_at(closing - TICK)
            if session is not None and not _later_in_period(session, self.period, calendar):
                return closing
            closing = calendar.next_close(closing)
        return None

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session whose close this is."""
        return calendar.session_at(due - TICK)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell that a close always fits."""
        return due == session.close


@dataclass(frozen=True, slots=True)
class WhenIdle:
    """``@idle``: once per closed window, named by the close that begins it.

    When it may run inside that window is the planner's matter; this is the key it runs under.
    """

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first close strictly after the instant."""
        return calendar.next_close(instant)


@dataclass(frozen=True, slots=True)
class Every:
    """Instants on a grid: ``anchor`` plus any multiple of the interval, until ``last``.

    The anchor of ``interval_*`` is the Unix epoch, so that a restart never shifts the grid; the
    grid of an anchor that lies ahead starts there (``since`` is True).
    """

    interval: timedelta
    anchor: datetime = EPOCH
    since: bool = False
    last: datetime | None = None

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:  # noqa: ARG002
        """Give the first grid instant strictly after the given one."""
        if self.since and instant < self.anchor:
            found = self.anchor
        else:
            found = self.anchor + ((instant - self.anchor) // self.interval + 1) * self.interval
        return None if self.last is not None and found > self.last else found


@dataclass(frozen=True, slots=True)
class Once:
    """One instant and never again."""

    at: datetime

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:  # noqa: ARG002
        """Give that instant while it lies ahead."""
        return self.at if self.at > instant else None


@dataclass(frozen=True, slots=True)
class InSession:
    """Another trigger's firings as far as they fall into a session: ``open <= t < close``."""

    inner: Trigger

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first firing inside a session, strictly after the instant."""
        found = self.inner.next_after(instant, calendar)
        while found is not None and not calendar.is_open(found):
            opening = calendar.next_open(found)
            found = None if opening is None else self.inner.next_after(opening - TICK, calendar)
        return found

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the session that the firing falls into."""
        return calendar.session_at(due)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell that the firing lies inside its session."""
        return session.open <= due < session.close


@dataclass(frozen=True, slots=True)
class OnHalfDays:
    """Another trigger's firings as far as their session is a half day."""

    inner: SessionTrigger

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first firing of a half day strictly after the instant."""
        found = self.inner.next_after(instant, calendar)
        while found is not None:
            session = self.inner.session_of(found, calendar)
            if session is None or session.half_day:
                return found
            found = self.inner.next_after(max(found, _eve_of_half_day(session, calendar)), calendar)
        return None

    def session_of(self, due: datetime, calendar: Calendar) -> Session | None:
        """Give the half day that the firing belongs to."""
        return self.inner.session_of(due, calendar)

    def fits(self, due: datetime, session: Session) -> bool:
        """Tell whether the firing keeps inside the short session."""
        return self.inner.fits(due, session)


def _eve_of_half_day(session: Session, calendar: Calendar) -> datetime:
    """Give the close of the session before the next half day, which no firing of it precedes."""
    following = calendar.next_session(session.open)
    while not following.half_day:
        session, following = following, calendar.next_session(following.open)
    return session.close - TICK


def _start_of_period(date: dt.date, period: Period) -> dt.date:
    return date.replace(day=1) if period == "month" else date - timedelta(days=date.weekday())


def _end_of_period(date: dt.date, period: Period) -> dt.date:
    start = _start_of_period(date, period)
    later = start + timedelta(days=7 if period == "week" else 32)
    return _start_of_period(later, period) - timedelta(days=1)


def _earlier_in_period(session: Session, period: Period, calendar: Calendar) -> bool:
    """Tell whether the session's week or month has an earlier session."""
    start = _start_of_period(session.date, period)
    return start < session.date and bool(calendar.sessions(start, session.date - dt.timedelta(1)))


def _later_in_period(session: Session, period: Period, calendar: Calendar) -> bool:
    """Tell whether the session's week or month has a later session."""
    end = _end_of_period(session.date, period)
    return session.date < end and bool(calendar.sessions(session.date + dt.timedelta(1), end))
