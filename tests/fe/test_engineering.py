"""The facade gives what the functions give, under the names that plugins call."""

import subprocess
import sys

import pandas as pd
import pytest

from optifire.fe import indicators
from optifire.fe.engineering import FeatureEngineer


@pytest.fixture
def bars() -> pd.DataFrame:
    index = pd.date_range("2018-01-01", periods=40, freq="D", tz="UTC")
    close = pd.Series([100 + (7 * n) % 13 for n in range(40)], index=index, dtype="float64")
    return pd.DataFrame({"high": close + 2, "low": close - 1, "close": close})


def test_the_facade_answers_with_the_documented_indicators(bars: pd.DataFrame) -> None:
    fe = FeatureEngineer()
    close = bars["close"]
    returns = fe.calculate_returns(close)
    pairs = [
        (returns, indicators.simple_returns(close)),
        (fe.calculate_volatility(returns, 20), indicators.volatility(returns, 20)),
        (fe.calculate_volatility(returns, window=10), indicators.volatility(returns, 10)),
        (fe.calculate_rsi(close, 14), indicators.rsi(close, 14)),
        (
            fe.calculate_atr(bars["high"], bars["low"], close, 14),
            indicators.atr(bars["high"], bars["low"], close, 14),
        ),
    ]
    for found, expected in pairs:
        assert found.notna().any()
        pd.testing.assert_series_equal(found, expected)


def test_importing_the_facade_does_not_import_pandas() -> None:
    code = "import sys, optifire.fe.engineering; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
