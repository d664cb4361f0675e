"""When a value becomes known, and when its successor is overdue, as int64 microseconds.

Replay is honest only if nothing is visible before it was public. Each series therefore has a
rule, applied to the exchange's session table once at load; a question then is one bisection.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError, ContractError

Micros = NDArray[np.int64]
Days = NDArray[np.int64]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
DAY_US: Final = 86_400_000_000
#: Later than any instant: what the session table does not reach is never visible.
NEVER: Final = int(np.iinfo(np.int64).max)
#: The session table is read between these dates at most; no recorded series needs more.
EARLIEST, LATEST = dt.date(1980, 1, 1), dt.date(2100, 1, 1)

#: How many expected values may be missing before a series counts as ended (semantics: more than
#: three sessions for daily series, one period for slower ones).
ALLOWED_MISSING: Final = {"1d": 3, "1w": 1, "1mo": 1, "3mo": 1}
#: Length of a period in days, where no session decides.
PERIOD_DAYS: Final = {"1d": 1, "1w": 7, "1mo": 31, "3mo": 92}
_MONTHS: Final = {"1mo": 1, "3mo": 3}


def micros(instant: datetime) -> int:
    """Give an instant as microseconds since the epoch; raises `ContractError` for a naive one."""
    if instant.tzinfo is None:
        raise ContractError(
            f"{instant.isoformat()} has no time zone",
            where="DataFeed",
            remedy="Give an instant in UTC, such as datetime(2018, 1, 2, 21, tzinfo=UTC)",
        )
    return (instant - EPOCH) // MICROSECOND


def label_text(micros_: int) -> str:
    """Give a label as text: the date alone at midnight, else date and time."""
    instant = EPOCH + micros_ * MICROSECOND
    return instant.date().isoformat() if micros_ % DAY_US == 0 else instant.isoformat()


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """A session table as three arrays of one length, oldest first.

    Attributes
    ----------
    days
        Dates as days since the epoch.
    opens, closes
        Microseconds since the epoch.
    """

    days: Days
    opens: Micros
    closes: Micros

    @classmethod
    def of(cls, calendar: Calendar) -> "Sessions":
        """Give the arrays of a calendar."""
        rows = calendar.sessions(max(calendar.first, EARLIEST), min(calendar.horizon, LATEST))
        if not rows:
            raise ConfigError(
                f"calendar {calendar.name} has no sessions",
                where=f"calendar {calendar.name}",
                remedy="Give recorded data the calendar of an exchange",
            )
        first = EPOCH.date().toordinal()
        return cls(
            np.array([row.date.toordinal() - first for row in rows], dtype=np.int64),
            np.array([micros(row.open) for row in rows], dtype=np.int64),
            np.array([micros(row.close) for row in rows], dtype=np.int64),
        )

    def first_close_from(self, days: Days, *, skip: int = 0) -> Micros:
        """Give the close of the first session on or after each day, `skip` sessions further."""
        return _picked(self.closes, np.searchsorted(self.days, days, side="left") + skip)

    def first_open_after(self, days: Days, *, skip: int = 0) -> Micros:
        """Give the open of the first session after each day, `skip` sessions further."""
        return _picked(self.opens, np.searchsorted(self.days, days, side="right") + skip)

    def last_before(self, days: Days) -> Days:
        """Give the position of the last session before each day, -1 if there is none."""
        return np.searchsorted(self.days, days, side="left").astype(np.int64) - 1

    def hold(self, days: Days) -> NDArray[np.bool_]:
        """Tell for each day whether it is a session."""
        found = np.searchsorted(self.days, days, side="left")
        inside = found < len(self.days)
        held: NDArray[np.bool_] = self.days[np.minimum(found, len(self.days) - 1)] == days
        return inside & held


def _picked(table: Micros, index: NDArray[np.intp]) -> Micros:
    reached = index < len(table)
    return np.where(reached, table[np.minimum(index, len(table) - 1)], NEVER)


def month_shifted(days: Days, months: int) -> Days:
    """Give the first day of the month that lies `months` after the month of each day."""
    month = days.astype("datetime64[D]").astype("datetime64[M]") + np.timedelta64(months, "M")
    shifted: Days = month.astype("datetime64[D]").astype(np.int64)
    return shifted


def period_shifted(days: Days, frequency: str, periods: int) -> Days:
    """Give the label of the period that lies `periods` after the one labelled by each day."""
    if frequency in _MONTHS:
        return month_shifted(days, _MONTHS[frequency] * periods)
    return days + PERIOD_DAYS[frequency] * periods


@dataclass(frozen=True, slots=True)
class KnownRule:
    """When the value labelled with a day is known.

    Attributes
    ----------
    rule
        ``session_close``: the close of that day's session; ``next_session_open``: the open of the
        session after the day; ``month_lag``: the open of the first session later than `days` days
        after the end of the month; ``period_close``: the close of the last session of the week or
        month that begins on the day.
    days
        The publication lag of ``month_lag``, in calendar days.

    A day that the session table does not reach is known at its first session, or never: nothing
    shows early.
    """

    rule: str
    days: int = 0

    def __post_init__(self) -> None:
        if self.rule not in _RULES:
            raise ConfigError(
                f"there is no rule {self.rule!r} for when a value is known",
                where="known",
                remedy=f"Use one of {', '.join(_RULES)}",
            )

    def known(self, days: Days, sessions: Sessions, frequency: str, *, skip: int = 0) -> Micros:
        """Give the instant from which each value is known.

        With `skip`, the instant at which the value that many periods later is known: sessions for
        daily series, weeks or months for others.
        """
        if frequency != "1d" and skip:
            days, skip = period_shifted(days, frequency, skip), 0
        return _RULES[self.rule](self, days, sessions, frequency, skip)


def _session_close(
    _: KnownRule, days: Days, sessions: Sessions, _frequency: str, skip: int
) -> Micros:
    if skip:  # counted from the first session after the day, whether or not the day is one
        return sessions.first_close_from(days + 1, skip=skip - 1)
    return sessions.first_close_from(days)


def _next_open(_: KnownRule, days: Days, sessions: Sessions, _frequency: str, skip: int) -> Micros:
    return sessions.first_open_after(days, skip=skip)


def _month_lag(
    rule: KnownRule, days: Days, sessions: Sessions, _frequency: str, _skip: int
) -> Micros:
    return sessions.first_open_after(month_shifted(days, 1) - 1 + rule.days)


def _period_close(
    _: KnownRule, days: Days, sessions: Sessions, frequency: str, _skip: int
) -> Micros:
    last = sessions.last_before(period_shifted(days, frequency, 1))
    known = np.where(last < 0, sessions.closes[0], sessions.closes[np.maximum(last, 0)])
    # The table's last period may go on beyond its horizon.
    return np.where(last == len(sessions.days) - 1, NEVER, known)


_RULES: Final[dict[str, Callable[[KnownRule, Days, Sessions, str, int], Micros]]] = {
    "session_close": _session_close,
    "next_session_open": _next_open,
    "month_lag": _month_lag,
    "period_close": _period_close,
}


def overdue_by_rule(rule: KnownRule, days: Days, sessions: Sessions, frequency: str) -> Micros:
    """Give the instant from which a series is overdue if each value is still its latest."""
    return rule.known(days, sessions, frequency, skip=ALLOWED_MISSING[frequency] + 1)


def overdue_by_stamp(known: Micros, frequency: str) -> Micros:
    """Give the same for values that carry their own instant, from their usual distance."""
    wait = (ALLOWED_MISSING[frequency] + 1) * PERIOD_DAYS[frequency] * DAY_US
    return np.where(known > NEVER - wait, NEVER, known + wait)
