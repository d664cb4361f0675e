"""Nothing is visible before it was known, and nothing known is hidden.

The instants are worked out here from the session table by other means than the code's arrays.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optifire.core.calendar import Calendar
from optifire.core.errors import ContractError, NoData
from optifire.data.source import BarSource

DAY = timedelta(days=1)
INSTANTS = st.integers(0, 366 * 24 * 60 * 33).map(
    lambda minutes: datetime(1990, 1, 3, tzinfo=UTC) + timedelta(minutes=minutes)
)
LAGS = {"AAA": 7, "BOND_PROXY": 7, "CORE_CPI": 20, "MKT_RF": 45, "WTI_MONTHLY": 10}

Close = Callable[[str], datetime]


class Scratch(Protocol):
    """A home for many files, as the fixture makes it."""

    source: BarSource

    def write(self, header: str, lines: Sequence[str]) -> str:
        """Write one more file, unless there are no lines; give its symbol."""


def open_after(calendar: Calendar, date: dt.date) -> datetime:
    return next(s.open for s in calendar.sessions(date + DAY, date + 20 * DAY))


def month_end(date: dt.date) -> dt.date:
    return (date.replace(day=1) + 32 * DAY).replace(day=1) - DAY


def known(calendar: Calendar, key: str, date: dt.date) -> datetime:
    """Say when the value labelled `date` is public, by the rule of its series."""
    if key in LAGS:
        return open_after(calendar, month_end(date) + LAGS[key] * DAY)
    if key == "WTI":
        return open_after(calendar, date)
    session = calendar.session_on(date)
    assert session is not None
    return session.close


@pytest.mark.parametrize("key", ["SPX", "VIX", "KO", "WTI", *LAGS])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asof=INSTANTS)
def test_every_value_is_given_from_the_instant_it_is_known_and_not_before(
    builtin: BarSource, market: Callable[[], Calendar], key: str, asof: datetime
) -> None:
    xnys = market()
    everything = builtin.series(key, asof=datetime(2024, 1, 2, tzinfo=UTC), stale_ok=True)
    dates = [stamp.date() for stamp in everything.index if stamp.year >= 1990]
    try:
        values = builtin.series(key, asof=asof, stale_ok=True)
    except NoData:
        assert known(xnys, key, dates[0]) > asof
        return
    pd.testing.assert_series_equal(values, everything.iloc[: len(values)])
    last = values.index[-1].date()
    assert last < xnys.first or known(xnys, key, last) <= asof
    hidden = [date for date in dates if date > last]
    assert not hidden or known(xnys, key, hidden[0]) > asof


@pytest.mark.parametrize(
    ("key", "last_before", "last_from", "instant"),
    [
        # The half day after Thanksgiving closes at 13:00 New York.
        ("SPX", "2018-11-21", "2018-11-23", "2018-11-23T18:00:00+00:00"),
        ("VIX", "2018-02-02", "2018-02-05", "2018-02-05T21:00:00+00:00"),
        # Friday's oil is known at Monday's open.
        ("WTI", "2018-11-15", "2018-11-16", "2018-11-19T14:30:00+00:00"),
        # November's prices: 20 days after the month is 20 December, so the open of the 21st.
        ("CORE_CPI", "2018-10-01", "2018-11-01", "2018-12-21T14:30:00+00:00"),
        # 7 December 2018 is a Friday.
        ("AAA", "2018-10-01", "2018-11-01", "2018-12-10T14:30:00+00:00"),
    ],
)
def test_a_value_appears_at_its_instant_to_the_microsecond(
    builtin: BarSource, key: str, last_before: str, last_from: str, instant: str
) -> None:
    at = datetime.fromisoformat(instant)
    for asof, last in ((at - timedelta(microseconds=1), last_before), (at, last_from)):
        values = builtin.series(key, asof=asof, limit=1)
        assert values.attrs["provenance"]["last_bar"] == last


def test_nothing_of_a_day_is_visible_during_it(builtin: BarSource) -> None:
    bars = builtin.bars("SPX", asof=datetime(2018, 6, 6, 19, 59, tzinfo=UTC), limit=1)
    assert str(bars.index[0].date()) == "2018-06-05"


def test_what_is_older_than_the_calendar_is_known_from_its_first_session_on(
    builtin: BarSource,
) -> None:
    with pytest.raises(NoData, match="nothing was known"):
        builtin.series("AAA", asof=datetime(1990, 1, 2, 14, 29, tzinfo=UTC))
    assert len(builtin.series("AAA", asof=datetime(1990, 1, 2, 14, 30, tzinfo=UTC))) > 800


def test_an_instant_without_a_zone_is_refused(builtin: BarSource) -> None:
    with pytest.raises(ContractError, match="has no time zone"):
        builtin.bars("SPX", asof=datetime(2018, 6, 6))  # noqa: DTZ001 - the mistake itself


# --- series that have ended -------------------------------------------------------------------


def test_a_daily_series_is_overdue_when_a_fourth_session_is_missing(
    builtin: BarSource, close_of: Close
) -> None:
    # The last close is of 2019-01-03, a Thursday; the fourth session after it is the 9th.
    due = close_of("2019-01-09")
    assert len(builtin.series("VIX", asof=due - timedelta(microseconds=1), limit=2)) == 2
    with pytest.raises(NoData, match="last bar 2019-01-03"):
        builtin.series("VIX", asof=due)
    kept = builtin.series("VIX", asof=due, limit=2, stale_ok=True)
    assert kept.attrs["provenance"]["last_bar"] == "2019-01-03"


def test_a_monthly_series_is_overdue_when_a_second_month_is_missing(builtin: BarSource) -> None:
    # Aaa ends with December 2018. January is owed from 8 February on, February from 8 March on
    # (the first session later than 7 days after the month).
    due = datetime(2019, 3, 8, 14, 30, tzinfo=UTC)
    assert builtin.series("AAA", asof=due - timedelta(microseconds=1), limit=1).iloc[0] == 4.02
    with pytest.raises(NoData, match="last bar 2018-12-01"):
        builtin.series("AAA", asof=due)


def test_oil_is_overdue_by_the_opens_at_which_it_becomes_known(builtin: BarSource) -> None:
    # Last day 2019-01-03; the fourth value after it, of the 9th, would be known on the 10th.
    due = datetime(2019, 1, 10, 14, 30, tzinfo=UTC)
    assert len(builtin.series("WTI", asof=due - timedelta(microseconds=1), limit=1)) == 1
    with pytest.raises(NoData, match="last bar 2019-01-03"):
        builtin.series("WTI", asof=due)


def test_a_share_goes_on_in_its_next_series_when_the_first_has_ended(
    builtin: BarSource, close_of: Close
) -> None:
    inside = builtin.bars("AAPL", asof=close_of("2013-03-06"), limit=1)
    after = builtin.bars("AAPL", asof=close_of("2013-03-07"), limit=1)
    assert inside["open"].notna().all()
    assert str(inside.index[0].date()) == "2013-03-01"
    assert after["open"].isna().all()
    assert str(after.index[0].date()) == "2013-03-07"
    assert "as of 2022-12-28" in after.attrs["provenance"]["note"]


# --- any file, any instant --------------------------------------------------------------------

Step = tuple[float, float, bool, int, bool]
STEPS = st.tuples(
    st.floats(0.5, 2.0),  # the day's move
    st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.98]),  # split or dividend after the day
    st.booleans(),  # the session has a row
    st.integers(0, 9),  # days until it is known, where the file says
    st.booleans(),  # corrected later
)


def history(calendar: Calendar, steps: list[Step], *, own: bool) -> list[tuple[datetime, str]]:
    """Give the lines of a bar file, each with the instant from which it is known."""
    sessions = calendar.sessions(dt.date(2018, 6, 1), dt.date(2018, 9, 1))
    price, factor = 100.0, 1.0
    lines: list[tuple[datetime, str]] = []
    for session, (move, split, there, lag, again) in zip(sessions, steps, strict=False):
        price, factor = price * move, factor * split
        # A gap would change what frequency a file with its own instants has.
        for version in range(1 + again if own else int(there)):
            at = session.close + (lag + 12 * version) * DAY if own else session.close
            close = price * (1 + 0.01 * version)
            row = [session.date, close, close * 1.1, close * 0.9, close, 1000, close * factor]
            lines.append((at, ",".join(map(str, [*row, *([at.isoformat()] if own else [])]))))
    return lines


def answer(
    source: BarSource, name: str, asof: datetime, limit: int | None, freq: str
) -> pd.DataFrame | None:
    try:
        frame = source.bars(name, asof=asof, limit=limit, freq=freq, stale_ok=True)
    except NoData:
        return None
    frame.attrs.clear()
    return frame


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=1, max_size=40),
    own=st.booleans(),
    after=st.timedeltas(timedelta(), timedelta(days=70)),
    limit=st.none() | st.integers(1, 30),
    freq=st.sampled_from(["1d", "1d", "1w", "1mo"]),
)
def test_an_answer_does_not_depend_on_what_became_known_later(
    scratch: Scratch,
    market: Callable[[], Calendar],
    steps: list[Step],
    own: bool,  # noqa: FBT001 - hypothesis names it
    after: timedelta,
    limit: int | None,
    freq: str,
) -> None:
    asof = datetime(2018, 6, 1, 20, tzinfo=UTC) + after
    lines = history(market(), steps, own=own)
    header = "ts,open,high,low,close,volume,adj_close" + (",known_at" if own else "")
    past = [line for at, line in lines if at <= asof]
    whole, then = (
        answer(scratch.source, scratch.write(header, kept), asof, limit, freq)
        for kept in ([line for _, line in lines], past)
    )
    if whole is None or then is None:
        assert whole is then
    else:
        pd.testing.assert_frame_equal(whole, then, check_exact=True)
    labels = {line.split(",")[0] for line in past}
    if freq == "1d" and labels:
        assert whole is not None
        assert {str(stamp.date()) for stamp in whole.index} <= labels
        assert len(whole) == min(len(labels), limit or len(labels))


def test_a_correction_replaces_the_value_from_its_own_instant_on(
    tmp_path: Path, xnys: Calendar
) -> None:
    folder = tmp_path / "data" / "macro"
    folder.mkdir(parents=True)
    (folder / "GDP.csv").write_text(
        "ts,value,published_at\n"
        "2018-01-01,2.0,2018-04-27T12:30:00Z\n"
        "2018-04-01,4.1,2018-07-27T12:30:00Z\n"
        "2018-01-01,2.2,2018-07-27T12:30:00Z\n"
        "2018-04-01,4.2,2018-08-29T12:30:00Z\n"
    )
    source = BarSource(tmp_path, xnys)
    seen = {
        day: list(source.series("GDP", asof=datetime.fromisoformat(f"{day}T13:00:00+00:00")))
        for day in ("2018-04-27", "2018-07-27", "2018-08-29")
    }
    assert seen == {
        "2018-04-27": [2.0],
        "2018-07-27": [2.2, 4.1],
        "2018-08-29": [2.2, 4.2],
    }


def test_adjusted_prices_are_in_the_units_of_the_last_visible_day(
    tmp_path: Path, xnys: Calendar, close_of: Close
) -> None:
    # A 2-for-1 split before the open of 5 June: the archive's adjusted closes know it from the
    # start, but on 4 June nobody did.
    folder = tmp_path / "data" / "bars"
    folder.mkdir(parents=True)
    rows = [
        ("2018-06-01", 100, 50),
        ("2018-06-04", 102, 51),
        ("2018-06-05", 52, 52),
    ]
    lines = [f"{day},{c},{c + 1},{c - 1},{c},10,{adjusted}" for day, c, adjusted in rows]
    (folder / "ABC.csv").write_text(
        "\n".join(["ts,open,high,low,close,volume,adj_close", *lines]) + "\n"
    )
    source = BarSource(tmp_path, xnys)
    before = source.bars("ABC", asof=close_of("2018-06-04"))
    after = source.bars("ABC", asof=close_of("2018-06-05"))
    raw = source.bars("ABC", asof=close_of("2018-06-05"), adjusted=False)
    assert list(before["close"]) == [100, 102]
    assert list(after["close"]) == [50, 51, 52]
    assert list(after["high"]) == [50.5, 51.5, 53]
    assert list(raw["close"]) == [100, 102, 52]
    assert list(after["volume"]) == list(raw["volume"]) == [10, 10, 10]


# --- weekly and monthly -----------------------------------------------------------------------


def test_a_monthly_bar_appears_when_the_month_has_closed(
    builtin: BarSource, close_of: Close
) -> None:
    close = close_of("2018-11-30")
    before = builtin.bars("SPX", asof=close - timedelta(microseconds=1), limit=1, freq="1mo")
    after = builtin.bars("SPX", asof=close, limit=1, freq="1mo")
    assert str(before.index[0].date()) == "2018-10-01"
    assert str(after.index[0].date()) == "2018-11-01"
    daily = builtin.bars("SPX", asof=close, limit=21)
    assert {stamp.month for stamp in daily.index} == {11}
    assert after.iloc[0].to_dict() == pytest.approx(
        {
            "open": daily["open"].iloc[0],
            "high": daily["high"].max(),
            "low": daily["low"].min(),
            "close": daily["close"].iloc[-1],
            "volume": daily["volume"].sum(),
        }
    )


def test_a_week_is_labelled_by_its_monday_even_when_that_is_a_holiday(
    builtin: BarSource, close_of: Close
) -> None:
    # Monday 2018-09-03 was Labor Day.
    bars = builtin.bars("SPX", asof=close_of("2018-09-07"), limit=2, freq="1w")
    assert [str(stamp.date()) for stamp in bars.index] == ["2018-08-27", "2018-09-03"]
    friday = builtin.bars("SPX", asof=close_of("2018-09-07"), limit=1)
    assert bars["close"].iloc[-1] == friday["close"].iloc[-1]


def test_a_month_whose_last_session_is_not_recorded_is_not_there(builtin: BarSource) -> None:
    asof = datetime(2023, 1, 3, tzinfo=UTC)
    monthly = builtin.bars("SPX", asof=asof, freq="1mo", stale_ok=True)
    assert monthly.attrs["provenance"]["last_bar"] == "2022-11-01"


def test_what_one_day_does_not_tell_is_unknown_for_its_month(builtin: BarSource) -> None:
    monthly = builtin.bars("SPX", asof=datetime(2019, 3, 1, tzinfo=UTC), limit=3, freq="1mo")
    assert [str(stamp.date()) for stamp in monthly.index] == [
        "2018-12-01",
        "2019-01-01",
        "2019-02-01",
    ]
    assert list(monthly["high"].notna()) == [True, False, False]
    assert monthly["close"].notna().all()


def test_a_monthly_series_cannot_be_made_daily(builtin: BarSource) -> None:
    with pytest.raises(ContractError, match="AAA is 1mo and cannot be made 1w"):
        builtin.series("AAA", asof=datetime(2018, 1, 2, tzinfo=UTC), freq="1w")
    with pytest.raises(ContractError, match="no frequency '1h'"):
        builtin.bars("SPX", asof=datetime(2018, 1, 2, tzinfo=UTC), freq="1h")


def test_every_week_is_there_once(builtin: BarSource) -> None:
    weekly = builtin.bars("SPX", asof=datetime(2018, 12, 31, 21, tzinfo=UTC), freq="1w")
    steps = {(b - a).days for a, b in itertools.pairwise(weekly.index)}
    # Also that of 2001-09-10, whose last session was its first.
    assert steps == {7}
