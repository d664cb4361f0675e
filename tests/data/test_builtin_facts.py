"""The built-in data is what it says: hashes, sessions, splits, and figures computed elsewhere.

The figures were computed once from the source packages by other code, and are written here.
"""

import datetime as dt
import gzip
import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import build_dataset
import dataset_makers
import optifire.data
from dataset_recipe import SERIES
from dataset_sources import PACKAGES
from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError
from optifire.data.known import KnownRule
from optifire.data.providers import builtin as provider
from optifire.data.source import BarSource

FOLDER = Path(optifire.data.__path__[0]) / "builtin"
AFTER_ALL = dt.datetime(2023, 1, 31, 21, tzinfo=dt.UTC)
MANIFEST: dict[str, Any] = json.loads((FOLDER / "MANIFEST.json").read_bytes())


def of(source: BarSource, key: str) -> pd.Series:
    return source.series(key, asof=AFTER_ALL, stale_ok=True)


@pytest.mark.parametrize("file", MANIFEST["files"])
def test_every_file_is_the_one_of_the_manifest(file: str) -> None:
    entry = MANIFEST["files"][file]
    content = (FOLDER / file).read_bytes()
    text = gzip.decompress(content)
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert hashlib.sha256(text).hexdigest() == entry["sha256_text"]
    assert text.count(b"\n") - 1 == entry["rows"]
    assert {source["licence"] for source in entry["sources"]} <= {
        package.licence for package in PACKAGES.values()
    }


def test_the_data_set_is_small_and_nothing_in_it_is_unlisted() -> None:
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {*MANIFEST["files"], "MANIFEST.json"}
    assert sum((FOLDER / name).stat().st_size for name in files) < 1_300_000


def test_every_series_of_the_manifest_has_the_rows_and_dates_it_claims(builtin: BarSource) -> None:
    seen = []
    for entry in MANIFEST["series"]:
        text = gzip.decompress((FOLDER / entry["file"]).read_bytes()).decode()
        column = entry["columns"].get("close") or entry["columns"]["value"]
        dates = dataset_makers.dates_of(text, column)
        assert (len(dates), dates[0], dates[-1]) == (entry["rows"], entry["first"], entry["last"])
        assert dates == sorted(set(dates))
        seen.append(entry["key"])
    assert set(seen) == set(provider.catalog())
    assert len(of(builtin, "VIX")) == 1259


def test_numbers_are_read_exactly_as_the_file_writes_them(builtin: BarSource) -> None:
    text = gzip.decompress((FOLDER / "stocks.csv.gz").read_bytes()).decode()
    header, *rows = (line.split(",") for line in text.splitlines())
    written = [float(row[header.index("XOM")]) for row in rows]
    assert list(of(builtin, "XOM")) == written


def test_the_index_has_exactly_the_sessions_of_the_exchange(
    builtin: BarSource, xnys: Calendar
) -> None:
    bars = builtin.bars("SPX", asof=AFTER_ALL, stale_ok=True)
    days = [session.date for session in xnys.sessions(dt.date(1990, 1, 2), dt.date(2022, 12, 28))]
    assert [stamp.date() for stamp in bars.index] == days
    whole = bars.dropna()
    assert (str(whole.index[0].date()), str(whole.index[-1].date())) == ("1999-01-04", "2018-12-31")
    assert len(whole) == 5031
    # Outside of that only closes are known, and nothing was invented for the rest.
    outside = bars.drop(whole.index)
    assert outside[["open", "high", "low", "volume"]].isna().to_numpy().all()
    assert outside["close"].notna().all()


@pytest.mark.parametrize("key", ["COMP", "VIX", "KO", "MTUM", "AAPL", "GOOG", "FB"])
def test_daily_bars_have_no_session_missing(builtin: BarSource, key: str) -> None:
    bars = builtin.bars(key, asof=AFTER_ALL, stale_ok=True)
    assert bars.attrs["provenance"]["missing_sessions"] == 0


def test_the_fear_index_of_two_famous_days(builtin: BarSource) -> None:
    vix = of(builtin, "VIX")
    assert vix[pd.Timestamp("2015-08-24", tz="UTC")] == 40.74
    assert vix[pd.Timestamp("2018-02-05", tz="UTC")] == 37.32
    edges = np.searchsorted([15.0, 25.0, 35.0], vix.to_numpy(), side="right")
    assert list(np.bincount(edges)) == [807, 407, 41, 4]


@pytest.mark.parametrize(
    ("symbol", "day", "raw", "adjusted"),
    [
        ("AAPL", "2005-02-28", -0.4959, 0.0082),
        ("AAPL", "2000-06-21", -0.4506, 0.0989),
        ("MSFT", "2003-02-18", -0.4832, 0.0335),
    ],
)
def test_a_split_is_in_the_raw_bars_and_not_in_the_adjusted_ones(
    builtin: BarSource, symbol: str, day: str, raw: float, adjusted: float
) -> None:
    asof = dt.datetime.fromisoformat(f"{day}T21:00:00+00:00")
    for wanted, change in ((False, raw), (True, adjusted)):
        closes = builtin.bars(symbol, asof=asof, limit=2, adjusted=wanted)["close"]
        assert str(closes.index[-1].date()) == day
        assert closes.iloc[1] / closes.iloc[0] - 1 == pytest.approx(change, abs=5e-5)


def test_the_stocks_that_carry_on_are_adjusted_over_their_splits(builtin: BarSource) -> None:
    asof = dt.datetime(2020, 8, 31, 20, tzinfo=dt.UTC)
    closes = builtin.bars("AAPL", asof=asof, limit=2)
    assert closes["close"].pct_change().iloc[-1] == pytest.approx(0.034, abs=5e-4)
    assert closes.attrs["provenance"]["adjusted"] is True
    assert closes["open"].isna().all()


def test_french_factors_carry_real_months(builtin: BarSource) -> None:
    market = of(builtin, "MKT_RF")
    assert len(market) == 1109
    assert market[pd.Timestamp("1926-07-01", tz="UTC")] == 2.96
    assert market[pd.Timestamp("2018-11-01", tz="UTC")] == 1.69
    steps = pd.DatetimeIndex(market.index).tz_convert(None).to_period("M").asi8
    assert set(np.diff(steps)) == {1}


def test_the_bond_proxy_has_the_moments_worked_out_beforehand(builtin: BarSource) -> None:
    proxy = of(builtin, "BOND_PROXY")
    assert len(proxy) == 1199
    assert proxy.mean() * 12 == pytest.approx(0.0605, abs=5e-5)
    assert proxy.std(ddof=1) * np.sqrt(12) == pytest.approx(0.0591, abs=5e-5)


def test_the_bond_proxy_hardly_moves_with_the_index(builtin: BarSource) -> None:
    asof = dt.datetime(2019, 2, 1, 21, tzinfo=dt.UTC)
    monthly = builtin.bars("SPX", asof=asof, freq="1mo")["close"].loc["1999-01-01":"2018-12-01"]
    both = pd.concat([monthly.pct_change(), of(builtin, "BOND_PROXY")], axis=1, sort=True)
    both = both.dropna()
    assert len(both) == 239
    assert both.iloc[:, 0].corr(both.iloc[:, 1]) == pytest.approx(-0.0375, abs=5e-5)


def test_a_par_bond_whose_yield_stays_earns_its_coupon() -> None:
    assert dataset_makers.par_bond_return(6.0, 6.0) == pytest.approx(0.005, abs=1e-15)
    # 4 % coupon at 5 %: 0.02 * (1 - 1.025^-40)/0.025 + 1.025^-40 - 1 = -0.12551390..., + 0.04/12
    assert dataset_makers.par_bond_return(4.0, 5.0) == pytest.approx(-0.1221805, abs=5e-7)


def test_every_series_says_when_it_is_known_and_why() -> None:
    for series in SERIES:
        KnownRule(str(series.known["rule"]), int(series.known.get("days", 0)))
        assert len(str(series.known["source"])) > 20
        assert series.unit
        assert series.note


def test_a_changed_file_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, xnys: Calendar
) -> None:
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "VIX.csv.gz").write_bytes(gzip.compress(b"date,close\n2014-01-03,1\n"))
    monkeypatch.setattr(provider, "FOLDER", tmp_path)
    provider._table.cache_clear()  # noqa: SLF001 - as in a new process
    with pytest.raises(ConfigError, match=r"VIX\.csv\.gz.*was changed"):
        BarSource(None, xnys).series("VIX", asof=AFTER_ALL)


def _installed() -> bool:
    try:
        return all(
            importlib.metadata.version(name) == pin.version for name, pin in PACKAGES.items()
        )
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not _installed(), reason="the pinned source packages are not installed")
def test_the_data_set_can_be_built_again_number_for_number() -> None:
    built = build_dataset.build_all(build_dataset.from_installed(sys.executable))
    assert build_dataset.differences(built, FOLDER) == []


@pytest.mark.skipif(not _installed(), reason="the pinned source packages are not installed")
def test_a_data_set_that_differs_is_named_and_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--python", sys.executable, "--out", str(tmp_path)]
    assert build_dataset.main(arguments) == 0
    (tmp_path / "VIX.csv.gz").write_bytes(gzip.compress(b"date,close\n"))
    assert build_dataset.main([*arguments, "--check"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "differs: VIX.csv.gz"
