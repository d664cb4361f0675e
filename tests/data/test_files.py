"""User files: what is accepted, what wins, and that every mistake names its place and its cure."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError, ContractError, NoData, ProviderDataError
from optifire.data.source import BarSource

Put = Callable[[str, str, Sequence[str]], Path]

HEADER = "ts,open,high,low,close,volume"
MACRO = "ts,value,published_at"
GOOD = ["2018-06-04,10,11,9,10.5,100", "2018-06-05,10.5,12,10,11,200", "2018-06-06,11,11,11,11,0"]
NOW = datetime(2018, 6, 6, 20, tzinfo=UTC)


def read(home: Path, calendar: Calendar, symbol: str = "TSLA") -> pd.DataFrame:
    return BarSource(home, calendar).bars(symbol, asof=NOW)


def test_a_csv_file_of_bars_is_read_by_its_name(put: Put, xnys: Calendar) -> None:
    bars = read(put("bars", "TSLA.csv", [HEADER, *GOOD]), xnys)
    assert list(bars.columns) == ["open", "high", "low", "close", "volume"]
    assert list(bars["close"]) == [10.5, 11.0, 11.0]
    assert str(bars.index.dtype) == "datetime64[us, UTC]"
    said = bars.attrs["provenance"]
    assert (said["asked"], said["given"], said["provider"]) == ("TSLA", "TSLA", "file")
    assert (said["last_bar"], said["missing_sessions"]) == ("2018-06-06", 0)


def test_parquet_and_csv_of_the_same_rows_give_the_same_bars(
    put: Put, tmp_path: Path, xnys: Calendar
) -> None:
    home = put("bars", "TSLA.csv", [HEADER, *GOOD])
    target = tmp_path / "data" / "bars" / "OTHER.parquet"
    source = tmp_path / "data" / "bars" / "TSLA.csv"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM read_csv('{source}')) TO '{target}' (FORMAT parquet)")
    pd.testing.assert_frame_equal(read(home, xnys, "OTHER"), read(home, xnys))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_parquet_instants_are_the_same_in_every_time_zone(
    tmp_path: Path, xnys: Calendar, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    target = tmp_path / "data" / "macro" / "JOBS.parquet"
    target.parent.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT DATE '2018-05-01' AS ts, 3.8 AS value, "
            "TIMESTAMPTZ '2018-06-01 08:30:00-04:00' AS published_at) "
            f"TO '{target}' (FORMAT parquet)"
        )
    source = BarSource(tmp_path, xnys)
    known = datetime(2018, 6, 1, 12, 30, tzinfo=UTC)
    assert list(source.series("JOBS", asof=known)) == [3.8]
    with pytest.raises(NoData):
        source.series("JOBS", asof=datetime(2018, 6, 1, 12, 29, tzinfo=UTC))


def test_reading_parquet_leaves_no_thread_behind(tmp_path: Path) -> None:
    """A process with two threads must not fork."""
    target = tmp_path / "X.parquet"
    with duckdb.connect() as connection:
        connection.sql("SELECT 1 AS x FROM range(300000)").write_parquet(str(target))
    code = """
import os, pathlib, sys
from optifire.data.providers.cells import parquet_cells
assert len(parquet_cells(pathlib.Path(sys.argv[1])).lines) == 300000
threads = os.listdir("/proc/self/task")
assert len(threads) == 1, threads
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, str(target)], check=True, env=environment)


def test_a_user_file_replaces_the_built_in_series_whole(put: Put, xnys: Calendar) -> None:
    home = put("bars", "SPX.csv", [HEADER, *GOOD])
    assert list(read(home, xnys, "SPX")["close"]) == [10.5, 11.0, 11.0]
    with pytest.raises(NoData, match="nothing was known"):
        BarSource(home, xnys).bars("SPX", asof=datetime(2018, 6, 1, 20, tzinfo=UTC))


def test_an_alias_gives_way_to_a_file_of_that_name(put: Put, xnys: Calendar) -> None:
    asked = BarSource(None, xnys).bars("SPY", asof=NOW, limit=1).attrs["provenance"]
    assert (asked["asked"], asked["given"]) == ("SPY", "SPX")
    assert "index proxy, price return" in asked["note"]
    own = read(put("bars", "SPY.csv", [HEADER, *GOOD]), xnys, "SPY").attrs["provenance"]
    assert (own["asked"], own["given"], own["provider"]) == ("SPY", "SPY", "file")


def test_aliases_of_the_settings_hold_and_may_not_lead_to_aliases(xnys: Calendar) -> None:
    source = BarSource(None, xnys, {"QQQ": "COMP"})
    given = source.bars("QQQ", asof=NOW, limit=1).attrs["provenance"]["given"]
    assert given == "COMP"
    with pytest.raises(ConfigError, match=r"data\.aliases: VOO stands for SPY, which is an alias"):
        BarSource(None, xnys, {"VOO": "SPY"})


def test_a_row_with_its_own_instant_is_known_then(put: Put, xnys: Calendar) -> None:
    lines = [
        f"{HEADER},known_at",
        "2018-06-02,1,1,1,1,1,2018-06-03T00:00:00Z",  # a Saturday: another market
        "2018-06-03,2,2,2,2,1,2018-06-04T02:00:00+02:00",
    ]
    source = BarSource(put("bars", "BTC-USD.csv", lines), xnys)
    seen = source.bars("BTC-USD", asof=datetime(2018, 6, 4, tzinfo=UTC))
    assert list(seen["close"]) == [1.0, 2.0]
    assert len(source.bars("BTC-USD", asof=datetime(2018, 6, 3, 23, tzinfo=UTC))) == 1


def test_empty_cells_are_unknown_and_never_filled(put: Put, xnys: Calendar) -> None:
    bars = read(put("bars", "TSLA.csv", [HEADER, "2018-06-06,,,,7,"]), xnys)
    assert bars["close"].iloc[0] == 7
    assert bars.drop(columns="close").isna().to_numpy().all()


def test_sessions_without_a_row_are_counted_in_the_answer(put: Put, xnys: Calendar) -> None:
    bars = read(put("bars", "TSLA.csv", [HEADER, GOOD[0], GOOD[2]]), xnys)
    assert bars.attrs["provenance"]["missing_sessions"] == 1


def test_a_file_that_changes_is_read_again_unless_this_is_a_replay(
    put: Put, xnys: Calendar
) -> None:
    home = put("bars", "TSLA.csv", [HEADER, *GOOD[:2]])
    live, replay = BarSource(home, xnys), BarSource(home, xnys, watch=False)
    for source in (live, replay):
        assert len(source.bars("TSLA", asof=NOW)) == 2
    put("bars", "TSLA.csv", [HEADER, *GOOD])
    assert len(live.bars("TSLA", asof=NOW)) == 3
    assert len(replay.bars("TSLA", asof=NOW)) == 2
    (home / "data" / "bars" / "TSLA.csv").unlink()
    with pytest.raises(NoData, match="there are no bars of TSLA"):
        live.bars("TSLA", asof=NOW)


def test_what_is_missing_says_which_file_would_help(tmp_path: Path, xnys: Calendar) -> None:
    with pytest.raises(NoData) as nothing:
        read(tmp_path, xnys)
    assert "data/bars/TSLA.csv" in nothing.value.remedy
    assert "ts,open,high,low,close,volume[,adj_close][,known_at]" in nothing.value.remedy


@pytest.mark.parametrize("symbol", ["../secrets", "", "a/b", ".env", "x" * 65, "A\n", None])
def test_a_name_that_is_no_symbol_never_becomes_a_path(
    builtin: BarSource, symbol: str | None
) -> None:
    with pytest.raises(ContractError, match="is not a symbol"):
        builtin.bars(symbol, asof=NOW)  # type: ignore[arg-type]


def test_two_files_of_one_series_are_refused(put: Put, xnys: Calendar) -> None:
    home = put("bars", "TSLA.csv", [HEADER, *GOOD])
    put("bars", "TSLA.parquet", ["whatever"])
    with pytest.raises(ConfigError, match=r"TSLA\.csv and .*TSLA\.parquet.*Remove one"):
        read(home, xnys)


LINE_3 = r"TSLA\.csv, line 3, column {}: {}"
BAD_ROWS = {
    "not a number": ("2018-06-05,x,12,10,11,200", "open", "open 'x' is not a number"),
    "digit groups": ("2018-06-05,1_0,12,10,11,200", "open", "open '1_0' is not a number"),
    "not a time": ("June 5,10,12,10,11,200", "ts", "ts 'June 5' is not a time"),
    "repeated": ("2018-06-04,10,12,10,11,200", "ts", "ts '2018-06-04' repeats"),
    "back in time": ("2018-06-01,10,12,10,11,200", "ts", ".*is earlier than the row before"),
    "a holiday": ("2018-07-04,10,12,10,11,200", "ts", "ts '2018-07-04' is not a session"),
    "time of day": ("2018-06-05T14:30:00Z,10,12,10,11,200", "ts", ".*has a time of day"),
    "high below low": ("2018-06-05,10,9,10,10,200", "high", "high '9' is below the open"),
    "high below close": ("2018-06-05,10,12,10,13,200", "high", "high '12' is below the close"),
    "low above open": ("2018-06-05,10,12,11,11.5,200", "low", "low '11' is above the open"),
    "negative price": ("2018-06-05,10,12,-1,11,200", "low", "low '-1' is not positive"),
    "no close": ("2018-06-05,10,12,10,,200", "close", "close '' is empty"),
    "infinite": ("2018-06-05,10,12,10,11,inf", "volume", "volume 'inf' is infinite"),
    "negative volume": ("2018-06-05,10,12,10,11,-5", "volume", "volume '-5' is negative"),
}


@pytest.mark.parametrize(("row", "column", "problem"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_row_that_cannot_be_right_is_named_with_line_and_column(
    put: Put, xnys: Calendar, row: str, column: str, problem: str
) -> None:
    home = put("bars", "TSLA.csv", [HEADER, GOOD[0], row])
    with pytest.raises(ProviderDataError, match=LINE_3.format(column, problem)) as wrong:
        read(home, xnys)
    assert wrong.value.remedy


BAD_FILES = {
    "a misspelt column": (
        [f"{HEADER},knwon_at", f"{GOOD[0]},2018-06-05"],
        "'knwon_at'; did you mean 'known_at'",
    ),
    "a missing column": (
        ["ts,open,high,low,close", "2018-06-04,1,1,1,1"],
        "the column 'volume' is missing",
    ),
    "a column twice": (["ts,close,close", *GOOD], "line 1: a column comes twice"),
    "no rows": ([HEADER], "the file has no rows"),
    "nothing": ([], "the column 'ts' is missing"),
    "too few cells": ([HEADER, GOOD[0], "2018-06-05,1"], "line 3: 2 cells under 6 columns"),
    "an open quote": ([HEADER, GOOD[0], '"2018-06-05,1'], "line 3: this is not CSV"),
}


@pytest.mark.parametrize(("lines", "problem"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_table_of_bars_says_what_one_looks_like(
    put: Put, xnys: Calendar, lines: list[str], problem: str
) -> None:
    home = put("bars", "TSLA.csv", lines)
    with pytest.raises(ProviderDataError, match=problem) as wrong:
        read(home, xnys)
    assert "TSLA.csv" in wrong.value.where
    assert wrong.value.remedy


def test_bytes_that_are_not_text_are_named_by_line(put: Put, xnys: Calendar) -> None:
    home = put("bars", "TSLA.csv", [HEADER])
    path = home / "data" / "bars" / "TSLA.csv"
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(ProviderDataError, match=r"TSLA\.csv, line 2: byte 30 is not UTF-8"):
        read(home, xnys)


def test_a_broken_parquet_file_is_named(put: Put, xnys: Calendar) -> None:
    home = put("bars", "TSLA.parquet", ["not parquet"])
    with pytest.raises(ProviderDataError, match=r"TSLA\.parquet: this is not a Parquet file"):
        read(home, xnys)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, xnys: Calendar) -> None:
    (tmp_path / "data" / "bars" / "TSLA.csv").mkdir(parents=True)
    with pytest.raises(ProviderDataError, match=r"TSLA\.csv: the file cannot be read"):
        read(tmp_path, xnys)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("2018-05-01,1,2018-04-30", "published_at '2018-04-30' lies before ts"),
        ("2018-04-01,3,2018-05-10", "published_at '2018-05-10' repeats ts and instant"),
        ("2018-05-01,,2018-06-10", "value '' is empty"),
        ("2018-05-01,1,", "published_at '' is not a time"),
    ],
)
def test_a_macro_row_must_say_when_it_was_published(
    put: Put, xnys: Calendar, row: str, problem: str
) -> None:
    home = put("macro", "CPI.csv", [MACRO, "2018-04-01,1,2018-05-10", row])
    with pytest.raises(ProviderDataError, match=rf"CPI\.csv, line 3, .*{problem}"):
        BarSource(home, xnys).series("CPI", asof=NOW)


def test_a_user_series_that_has_ended_is_overdue_by_its_own_rhythm(
    put: Put, xnys: Calendar
) -> None:
    rows = [f"2018-0{month}-01,{month},2018-0{month + 1}-10" for month in (1, 2, 3)]
    source = BarSource(put("macro", "CPI.csv", [MACRO, *rows]), xnys)
    # Published on 10 April; two more months of 31 days, and the second is missing.
    assert len(source.series("CPI", asof=datetime(2018, 6, 10, tzinfo=UTC))) == 3
    with pytest.raises(NoData, match="last bar 2018-03-01"):
        source.series("CPI", asof=datetime(2018, 6, 11, tzinfo=UTC))


def test_a_correction_of_an_old_row_does_not_make_an_ended_series_young(
    put: Put, xnys: Calendar
) -> None:
    rows = [f"2018-0{month}-01,{month},2018-0{month + 1}-10" for month in (1, 2, 3)]
    source = BarSource(put("macro", "CPI.csv", [MACRO, *rows, "2018-01-01,9,2018-06-10"]), xnys)
    assert source.series("CPI", asof=datetime(2018, 6, 10, tzinfo=UTC)).iloc[0] == 9
    with pytest.raises(NoData, match="last bar 2018-03-01"):
        source.series("CPI", asof=datetime(2018, 6, 11, tzinfo=UTC))


def test_a_daily_series_that_is_published_late_is_overdue_by_its_publications(
    put: Put, xnys: Calendar
) -> None:
    # Each day is published eight days later; the fourth session after 14 June is the 20th.
    rows = [f"2018-06-0{day},{day},2018-06-{day + 8:02}T12:00:00Z" for day in (4, 5, 6)]
    source = BarSource(put("macro", "RATE.csv", [MACRO, *rows]), xnys)
    assert len(source.series("RATE", asof=datetime(2018, 6, 20, 19, 59, tzinfo=UTC))) == 3
    with pytest.raises(NoData, match="last bar 2018-06-06"):
        source.series("RATE", asof=datetime(2018, 6, 20, 20, tzinfo=UTC))
