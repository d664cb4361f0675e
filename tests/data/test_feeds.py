"""`DataFeed` as plugins use it: from the run in progress, or with its parts passed in."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from optifire.core.calendar import AlwaysOpen, Calendar
from optifire.core.errors import ContractError, NoData
from optifire.data.feeds import DataFeed
from optifire.data.source import BarSource
from optifire.sdk.scope import Scope, in_scope

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)


async def test_a_feed_made_without_arguments_sees_the_world_of_the_run(builtin: BarSource) -> None:
    with in_scope(Scope(now=NOW, bars=builtin)):
        bars = await DataFeed().get_bars("SPY", limit=50)
    assert list(bars.columns) == ["open", "high", "low", "close", "volume"]
    assert len(bars) == 50
    assert bars.index[-1] == pd.Timestamp("2018-11-23", tz="UTC")
    assert bars.index.is_monotonic_increasing
    assert set(map(str, bars.dtypes)) == {"float64"}


async def test_what_a_run_reads_becomes_its_lineage(builtin: BarSource) -> None:
    scope = Scope(now=NOW, bars=builtin)
    with in_scope(scope):
        feed = DataFeed()
        await feed.get_bars("SPY", limit=5)
        await feed.get_closes(["VIX", "WTI"], limit=5)
    assert set(scope.reads) == {"feed:SPY", "feed:VIX", "feed:WTI"}
    read = scope.reads["feed:SPY"]
    assert read.run_id is None
    assert read.as_of == datetime(2018, 11, 23, tzinfo=UTC)
    provider, given, digest = read.origin.split(":")
    assert (provider, given) == ("builtin", "SPX")
    assert len(digest) == 16
    # A holiday of the oil market: its last value is of the 21st.
    assert scope.reads["feed:WTI"].as_of == datetime(2018, 11, 21, tzinfo=UTC)


async def test_a_run_without_data_is_told_apart_from_a_fault(builtin: BarSource) -> None:
    scope = Scope(now=datetime(2023, 1, 9, 21, tzinfo=UTC), bars=builtin)
    with in_scope(scope):
        with pytest.raises(NoData, match="last bar 2022-12-28"):
            await DataFeed().get_bars("SPY")
        with pytest.raises(NoData, match="there are no bars of TSLA"):
            await DataFeed().get_bars("TSLA")
        stale = await DataFeed().get_bars("SPY", limit=1, stale_ok=True)
    assert len(stale) == 1
    assert [said.split(":")[0] for said in scope.no_data] == ["bars SPY", "bars TSLA"]


async def test_outside_of_a_run_nobody_knows_the_time(builtin: BarSource) -> None:
    with pytest.raises(ContractError, match="no run in progress"):
        await DataFeed().get_bars("SPY")
    with pytest.raises(ContractError, match="no run in progress"):
        await DataFeed(builtin).get_bars("SPY")
    assert len(await DataFeed(builtin, now=NOW).get_bars("SPY", limit=3)) == 3


async def test_a_run_without_recorded_data_says_so() -> None:
    with (
        in_scope(Scope(now=NOW, plugin_id="p")),
        pytest.raises(ContractError, match="p: this run has no recorded data to answer SPY"),
    ):
        await DataFeed().get_bars("SPY")


async def test_series_of_different_days_stand_side_by_side_without_filling(
    builtin: BarSource,
) -> None:
    table = await DataFeed(builtin, now=NOW).get_closes(["SPX", "WTI", "VIX"], limit=3)
    assert list(table.columns) == ["SPX", "WTI", "VIX"]
    assert [str(stamp.date()) for stamp in table.index] == [
        "2018-11-20",
        "2018-11-21",
        "2018-11-23",
    ]
    assert list(table["WTI"].isna()) == [False, False, True]
    assert set(table.attrs["provenance"]) == {"SPX", "WTI", "VIX"}


async def test_a_table_of_closes_equals_its_series_joined(builtin: BarSource) -> None:
    feed = DataFeed(builtin, now=NOW)
    table = await feed.get_closes(["SPX", "WTI"], limit=400)
    parts = [await feed.get_series(key) for key in ("SPX", "WTI")]
    joined = pd.concat(parts, axis=1, sort=True).iloc[-400:]
    pd.testing.assert_frame_equal(table, joined, check_freq=False)


async def test_a_macro_series_has_a_value_and_no_bars(builtin: BarSource) -> None:
    feed = DataFeed(builtin, now=NOW)
    yields = await feed.get_series("AAA", limit=2)
    assert yields.name == "AAA"
    assert yields.attrs["provenance"]["unit"] == "percent a year"
    assert yields.attrs["provenance"]["frequency"] == "1mo"
    with pytest.raises(NoData, match="there are no bars of AAA"):
        await feed.get_bars("AAA")


@pytest.mark.parametrize("limit", [0, -1, 1.5, "5"])
async def test_a_limit_that_is_no_count_is_refused(builtin: BarSource, limit: object) -> None:
    with pytest.raises(ContractError, match="limit is"):
        await DataFeed(builtin, now=NOW).get_bars("SPY", limit=limit)  # type: ignore[arg-type]


async def test_a_limit_may_be_a_numpy_number_and_exceed_what_there_is(builtin: BarSource) -> None:
    feed = DataFeed(builtin, now=NOW)
    assert len(await feed.get_bars("SPY", limit=np.int64(2))) == 2  # type: ignore[arg-type]
    assert len(await feed.get_series("VIX", limit=10_000)) < 1259


async def test_changing_an_answer_does_not_change_the_next_one(builtin: BarSource) -> None:
    feed = DataFeed(builtin, now=NOW)
    first = await feed.get_bars("SPY", limit=3)
    kept = first.copy()
    first.loc[:, "close"] = 0.0
    first.attrs["provenance"]["given"] = "nonsense"
    again = await feed.get_bars("SPY", limit=3)
    pd.testing.assert_frame_equal(again, kept)
    assert again.attrs["provenance"]["given"] == "SPX"


async def test_no_symbols_is_a_mistake(builtin: BarSource) -> None:
    with pytest.raises(ContractError, match="no symbols"):
        await DataFeed(builtin, now=NOW).get_closes([])


def test_a_warm_source_reads_no_file_when_it_is_asked(xnys: Calendar, tmp_path: Path) -> None:
    """What a forked run may read was read before the fork."""
    opened: list[str] = []
    source = BarSource(tmp_path, xnys, watch=False)
    source.warm(["SPY", "VIX", "AAPL"])

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and watching:
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(watch)
    for key in ("SPY", "VIX", "AAPL"):
        source.bars(key, asof=NOW, limit=5)
    watching = False
    assert opened == []


def test_a_market_that_never_closes_dates_bars_by_the_end_of_the_utc_day() -> None:
    source = BarSource(None, AlwaysOpen())
    bars = source.bars("SPX", asof=datetime(2018, 11, 24, tzinfo=UTC), limit=1)
    assert str(bars.index[0].date()) == "2018-11-23"
    with pytest.raises(NoData):
        # Three civil days after 31 December, a holiday among them, are owed by that calendar.
        source.bars("COMP", asof=datetime(2019, 1, 5, tzinfo=UTC))


def test_the_package_does_not_import_pandas_by_itself() -> None:
    code = "import sys, optifire.data; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
