"""Session tables: facts of the New York Stock Exchange, edges of the table, closures."""

import datetime as dt
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.calendars.names import BUILTIN
from optifire.calendars.table import read_table
from optifire.core.calendar import AlwaysOpen, CalendarRangeError, Closure, Session
from optifire.core.session import Phase, phase_at

XNYS = read_table(BUILTIN / "XNYS.sessions.gz")
ALWAYS = AlwaysOpen()
MICROSECOND = timedelta(microseconds=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("date", "opens", "closes", "half_day"),
    [
        ("2001-09-10", "13:30", "20:00", False),
        ("2012-10-31", "13:30", "20:00", False),
        ("2018-11-23", "14:30", "18:00", True),
        ("2021-12-31", "14:30", "21:00", False),
        ("2024-03-08", "14:30", "21:00", False),
        ("2024-03-11", "13:30", "20:00", False),
        ("2024-07-03", "13:30", "17:00", True),
        ("2024-11-29", "14:30", "18:00", True),
        ("2026-07-02", "13:30", "20:00", False),
    ],
)
def test_a_session_has_its_hours(date: str, opens: str, closes: str, *, half_day: bool) -> None:
    expected = Session(day(date), instant(f"{date}T{opens}"), instant(f"{date}T{closes}"), half_day)
    assert XNYS.session_on(day(date)) == expected
    assert XNYS.session_at(expected.open) == expected
    assert XNYS.session_at(expected.open - MICROSECOND) is None
    assert XNYS.session_at(expected.close - MICROSECOND) == expected
    assert XNYS.session_at(expected.close) is None


@pytest.mark.parametrize(
    ("date", "name"),
    [
        ("2001-09-11", "11 September"),
        ("2004-06-11", "Reagan"),
        ("2012-10-29", "Sandy"),
        ("2012-10-30", "Sandy"),
        ("2018-12-05", "George H. W. Bush"),
        ("2024-03-29", "Good Friday"),
        ("2025-01-09", "Carter"),
        ("2026-07-03", "July 4th"),
        ("2027-06-18", "Juneteenth"),
    ],
)
def test_a_closed_weekday_has_a_name(date: str, name: str) -> None:
    ((found, why),) = XNYS.holidays(day(date), day(date))
    assert found == day(date)
    assert name in why
    assert XNYS.session_on(day(date)) is None


def test_every_weekday_is_a_session_or_a_named_holiday() -> None:
    held = {session.date for session in XNYS.sessions(XNYS.first, XNYS.horizon)}
    named = {date for date, why in XNYS.holidays(XNYS.first, XNYS.horizon) if why}
    days = (XNYS.first + timedelta(days=n) for n in range((XNYS.horizon - XNYS.first).days + 1))
    assert held | named == {date for date in days if date.weekday() < 5}
    assert not held & named


def test_nobody_trades_at_the_new_year_of_2022_on_the_friday_before() -> None:
    assert XNYS.holidays(day("2021-12-30"), day("2022-01-04")) == []


@given(st.integers(0, 38 * 365 * 1440))
def test_the_questions_agree_with_a_walk_over_the_sessions(minutes: int) -> None:
    at = datetime(1990, 2, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    near = XNYS.sessions(at.date() - timedelta(days=9), at.date() + timedelta(days=9))
    assert XNYS.next_open(at) == min(each.open for each in near if each.open > at)
    assert XNYS.next_close(at) == min(each.close for each in near if each.close > at)
    assert XNYS.last_session(at) == max((each for each in near if each.open <= at), key=opening)
    assert XNYS.next_session(at) == min((each for each in near if each.open > at), key=opening)
    inside = [each for each in near if each.open <= at < each.close]
    assert XNYS.session_at(at) == (inside[0] if inside else None)
    assert XNYS.is_open(at) is bool(inside)


def opening(session: Session) -> datetime:
    return session.open


@pytest.mark.parametrize(
    ("date", "remedy"),
    [("1989-12-29", "from 1990-01-01 on"), ("2030-01-02", "refresh the table")],
)
def test_a_date_outside_the_table_is_an_error_that_names_range_and_remedy(
    date: str, remedy: str
) -> None:
    at = instant(f"{date}T15:00")
    asks = (XNYS.next_open, XNYS.next_close, XNYS.session_at, XNYS.is_open, XNYS.last_session)
    for ask in (*asks, XNYS.next_session, lambda at: XNYS.session_on(at.date())):
        with pytest.raises(CalendarRangeError) as caught:
            ask(at)
        assert caught.value.where == "calendar XNYS"
        assert "covers 1990-01-01 to 2029-12-31, and" in caught.value.message
        assert remedy in caught.value.remedy
    with pytest.raises(CalendarRangeError, match=date):
        XNYS.sessions(day("2020-01-01"), day(date))
    with pytest.raises(CalendarRangeError, match=date):
        XNYS.holidays(day(date), day("2020-01-01"))


def test_the_first_and_the_last_day_of_the_table_are_known() -> None:
    assert XNYS.next_open(instant("1990-01-01T12:00")) == instant("1990-01-02T14:30")
    assert XNYS.session_at(instant("1990-01-01T12:00")) is None
    assert XNYS.session_at(instant("2029-12-31T15:00")) is not None
    assert XNYS.next_close(instant("2029-12-31T15:00")) == instant("2029-12-31T21:00")
    with pytest.raises(CalendarRangeError, match="2030-01-01 lies after"):
        XNYS.next_open(instant("2029-12-31T15:00"))
    with pytest.raises(CalendarRangeError, match="1989-12-31 lies before"):
        XNYS.last_session(instant("1990-01-01T12:00"))


def test_a_closure_takes_a_session_away_and_gives_its_reason() -> None:
    closed = XNYS.with_closures([Closure(day("2026-11-24"), "a storm")])
    assert closed.session_on(day("2026-11-24")) is None
    assert closed.holidays(day("2026-11-24"), day("2026-11-24")) == [(day("2026-11-24"), "a storm")]
    assert closed.next_open(instant("2026-11-23T22:00")) == instant("2026-11-25T14:30")
    assert XNYS.session_on(day("2026-11-24")) is not None


@pytest.mark.parametrize("date", ["2026-11-21", "2018-12-05", "2035-01-01"])
def test_a_closure_of_a_day_without_a_session_changes_nothing(date: str) -> None:
    closed = XNYS.with_closures([Closure(day(date), "nobody was there anyway")])
    assert list(closed.opens) == list(XNYS.opens)
    assert closed.closed == XNYS.closed


@pytest.mark.parametrize(
    ("at", "phase"),
    [
        ("2018-11-26T08:59:59", Phase.CLOSED),
        ("2018-11-26T09:00", Phase.PREMARKET),
        ("2018-11-26T14:29:59", Phase.PREMARKET),
        ("2018-11-26T14:30", Phase.REGULAR),
        ("2018-11-26T20:59:59", Phase.REGULAR),
        ("2018-11-26T21:00", Phase.POSTMARKET),
        ("2018-11-27T00:59:59", Phase.POSTMARKET),
        ("2018-11-27T01:00", Phase.CLOSED),
        ("2018-11-23T18:00", Phase.POSTMARKET),
        ("2018-11-23T22:00", Phase.CLOSED),
        ("2018-12-05T15:00", Phase.CLOSED),
        ("2018-11-24T15:00", Phase.CLOSED),
        ("2024-03-11T08:00", Phase.PREMARKET),
    ],
)
def test_the_phase_of_the_day_is_named(at: str, phase: Phase) -> None:
    assert phase_at(instant(at), XNYS) == phase


def test_what_is_always_open_has_the_utc_day_as_session_and_never_opens() -> None:
    at = instant("2018-12-25T15:00")
    today = Session(day("2018-12-25"), instant("2018-12-25"), instant("2018-12-26"))
    tomorrow = Session(day("2018-12-26"), instant("2018-12-26"), instant("2018-12-27"))
    assert ALWAYS.session_at(at) == ALWAYS.last_session(at) == ALWAYS.session_on(at.date()) == today
    assert ALWAYS.next_session(at) == tomorrow
    assert ALWAYS.sessions(today.date, tomorrow.date) == [today, tomorrow]
    assert (ALWAYS.always_open, ALWAYS.is_open(at)) == (True, True)
    assert phase_at(at, ALWAYS) == Phase.REGULAR
    assert [ALWAYS.next_open(at), ALWAYS.next_close(at)] == [None, None]  # type: ignore[func-returns-value]
    assert list(ALWAYS.holidays(today.date, tomorrow.date)) == []
