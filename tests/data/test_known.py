"""The rules by which values become known, on a calendar small enough to read."""

import datetime as dt
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from optifire.core.calendar import RegularHours, SessionTable
from optifire.core.errors import ConfigError
from optifire.data.known import EPOCH, NEVER, KnownRule, Sessions, label_text, overdue_by_rule
from optifire.data.quality import missing_before

#: Thursday to Wednesday, with a weekend between; the last one closes early.
DATES = [dt.date(2018, 3, day) for day in (29, 30)] + [dt.date(2018, 4, day) for day in (2, 3, 4)]


def at(date: dt.date, hour: int) -> datetime:
    return datetime(date.year, date.month, date.day, hour, tzinfo=UTC)


def table(dates: list[dt.date]) -> SessionTable:
    return SessionTable(
        "TINY",
        "UTC",
        dt.date(2018, 3, 29),
        dt.date(2018, 4, 4),
        RegularHours(timedelta(hours=9), timedelta(hours=16)),
        dates,
        [at(date, 9) for date in dates],
        [at(date, 12 if date == DATES[-1] else 16) for date in dates],
    )


@pytest.fixture
def tiny() -> Sessions:
    return Sessions.of(table(DATES))


def days(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(texts, dtype="datetime64[D]").astype(np.int64)


def texts(instants: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    found = []
    for instant in instants.tolist():
        text = (
            f"{EPOCH + timedelta(microseconds=instant):%m-%d %H}" if instant != NEVER else "never"
        )
        found.append(text)
    return found


def test_a_bar_is_known_at_the_close_of_its_own_session(tiny: Sessions) -> None:
    known = KnownRule("session_close").known(days("2018-03-30", "2018-04-04"), tiny, "1d")
    assert texts(known) == ["03-30 16", "04-04 12"]


def test_a_spot_price_is_known_at_the_open_of_the_session_after_it(tiny: Sessions) -> None:
    wanted = days("2018-03-29", "2018-03-30", "2018-04-01", "2018-04-04")
    known = KnownRule("next_session_open").known(wanted, tiny, "1d")
    assert texts(known) == ["03-30 09", "04-02 09", "04-02 09", "never"]


def test_a_month_is_known_at_the_first_open_later_than_its_lag(tiny: Sessions) -> None:
    month = days("2018-03-01")
    found = [texts(KnownRule("month_lag", lag).known(month, tiny, "1mo"))[0] for lag in range(5)]
    # The month ends on Saturday the 31st: with no lag the first session after it is 2 April.
    assert found == ["04-02 09", "04-02 09", "04-03 09", "04-04 09", "never"]


def test_a_period_is_known_at_its_last_close_if_the_table_shows_which_that_is(
    tiny: Sessions,
) -> None:
    rule = KnownRule("period_close")
    assert texts(rule.known(days("2018-03-26", "2018-04-02"), tiny, "1w")) == ["03-30 16", "never"]
    assert texts(rule.known(days("2018-03-01", "2018-04-01"), tiny, "1mo")) == ["03-30 16", "never"]


def test_nothing_shows_before_the_first_session_of_the_table(tiny: Sessions) -> None:
    old = days("1919-01-01")
    for rule, frequency in (("session_close", "1d"), ("next_session_open", "1d")):
        known = KnownRule(rule).known(old, tiny, frequency)
        assert texts(known)[0].startswith("03-29")
    assert texts(KnownRule("month_lag", 20).known(old, tiny, "1mo")) == ["03-29 09"]


def test_a_daily_series_is_owed_its_fourth_next_session(tiny: Sessions) -> None:
    due = overdue_by_rule(
        KnownRule("session_close"), days("2018-03-29", "2018-03-30", "2018-03-31"), tiny, "1d"
    )
    # Counted from a day without a session as well; what the table does not reach is not owed.
    assert texts(due) == ["04-04 12", "never", "never"]


def test_a_rule_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match=r"no rule 'at_noon'.*session_close, next_session_open"):
        KnownRule("at_noon")


def test_a_calendar_without_sessions_cannot_date_anything() -> None:
    with pytest.raises(ConfigError, match="calendar TINY has no sessions"):
        Sessions.of(table([]))


def test_missing_sessions_are_counted_from_the_first_row_on(tiny: Sessions) -> None:
    missing = missing_before(days("2018-03-29", "2018-04-03", "2018-04-04"), tiny)
    assert list(missing) == [0, 2, 2]


def test_a_label_is_a_date_unless_it_has_a_time() -> None:
    midnight = 1_522_281_600_000_000
    assert label_text(midnight) == "2018-03-29"
    assert label_text(midnight + 60_000_000) == "2018-03-29T00:01:00+00:00"
