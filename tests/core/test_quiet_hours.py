"""Quiet hours: the clock on the wall of who sleeps, through both switches of daylight saving."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import UsageError
from optifire.core.quiet_hours import QuietHours, parse_span

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
TIMES = st.times().map(lambda each: each.replace(second=0, microsecond=0))
START = datetime(2000, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 37 * 366 * 1440).map(lambda minutes: START + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("22:00-07:00", (time(22), time(7))),
        (" 9:05 - 17:30 ", (time(9, 5), time(17, 30))),
        ("00:00-23:59", (time(0), time(23, 59))),
    ],
)
def test_a_span_is_two_times_of_the_day(text: str, span: tuple[time, time]) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text", ["", "22-7", "22:00", "24:00-07:00", "22:60-07:00", "07:00-07:00", "22:00-07:00 x"]
)
def test_what_is_no_part_of_the_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="22:00-07:00"):
        parse_span(text)


@pytest.mark.parametrize(
    ("instant", "quiet"),
    [
        ("2026-03-07T21:59:59-05:00", False),
        ("2026-03-07T22:00:00-05:00", True),
        # The clock goes from 02:00 to 03:00 on the 8th, and quiet ends at 07:00 all the same.
        ("2026-03-08T06:59:59-04:00", True),
        ("2026-03-08T07:00:00-04:00", False),
        # 01:30 is there twice on 1 November, and quiet both times.
        ("2026-11-01T01:30:00-04:00", True),
        ("2026-11-01T01:30:00-05:00", True),
        ("2026-11-01T07:00:00-05:00", False),
    ],
)
def test_the_clock_on_the_wall_counts(instant: str, quiet: bool) -> None:  # noqa: FBT001 - a table
    hours = QuietHours(NEW_YORK, parse_span("22:00-07:00"))
    assert hours.holds(datetime.fromisoformat(instant)) is quiet


def test_a_day_without_a_session_is_quiet_from_midnight_to_midnight() -> None:
    hours = QuietHours(NEW_YORK, None, lambda day: day != date(2026, 12, 25))
    assert not hours.holds(datetime(2026, 12, 25, 4, 59, tzinfo=UTC))
    assert hours.holds(datetime(2026, 12, 25, 5, 0, tzinfo=UTC))
    assert hours.holds(datetime(2026, 12, 26, 4, 59, tzinfo=UTC))
    assert not hours.holds(datetime(2026, 12, 26, 5, 0, tzinfo=UTC))


@given(TIMES, TIMES, INSTANTS)
def test_each_minute_is_quiet_by_a_span_or_by_its_opposite(
    begin: time, end: time, now: datetime
) -> None:
    if begin == end:
        return
    one, other = QuietHours(BERLIN, (begin, end)), QuietHours(BERLIN, (end, begin))
    assert one.holds(now) is not other.holds(now)


@given(TIMES, TIMES)
def test_a_day_has_as_many_quiet_minutes_as_the_span_is_long(begin: time, end: time) -> None:
    if begin == end:
        return
    hours = QuietHours(UTC, (begin, end))
    day = datetime(2026, 6, 1, tzinfo=UTC)
    minutes = sum(hours.holds(day + timedelta(minutes=each)) for each in range(1440))
    wanted = (end.hour - begin.hour) * 60 + end.minute - begin.minute
    assert minutes == wanted % 1440
