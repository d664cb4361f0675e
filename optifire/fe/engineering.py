"""`FeatureEngineer`: the indicators under the names that plugins call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class FeatureEngineer:
    """Features of price series; every method takes and gives Series with the index of its input.

    It holds nothing, so one may be made wherever it is needed. Values before the first full
    window are NaN. Formulas and their sources stand in `optifire.fe.indicators`.
    """

    def calculate_returns(self, close: pd.Series) -> pd.Series:
        """Give simple returns as fractions; the first is NaN."""
        from optifire.fe.indicators import simple_returns

        return simple_returns(close)

    def calculate_volatility(self, returns: pd.Series, window: int = 20) -> pd.Series:
        """Give the rolling standard deviation (ddof 1) of `window` returns, a fraction a year."""
        from optifire.fe.indicators import volatility

        return volatility(returns, window)

    def calculate_rsi(self, close: pd.Series, period: int = 14) -> pd.Series:
        """Give Wilder's RSI, 0 to 100; the first value after `period` changes."""
        from optifire.fe.indicators import rsi

        return rsi(close, period)

    def calculate_atr(
        self, high: pd.Series, low: pd.Series, close: pd.Series, period: int = 14
    ) -> pd.Series:
        """Give Wilder's ATR in units of price; the first value after `period` true ranges."""
        from optifire.fe.indicators import atr

        return atr(high, low, close, period)
