"""Indicators as pure functions: Series in, Series of the same index out, NaN where undefined.

A value at t uses rows up to t only. A NaN among the inputs makes NaN of every value that needs it.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SESSIONS_PER_YEAR: Final = 252  # by which volatility is annualised
Values = NDArray[np.float64]


def simple_returns(close: pd.Series) -> pd.Series:
    """Give r_t = close_t / close_{t-1} - 1, as a fraction; the first is NaN."""
    values = _values(close)
    returns = np.full(len(values), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns[1:] = values[1:] / values[:-1] - 1
    returns[np.isinf(returns)] = np.nan
    return _like(close, returns)


def volatility(returns: pd.Series, window: int) -> pd.Series:
    """Give the standard deviation (ddof 1) of the last `window` returns times sqrt(252).

    The result is a fraction a year. Raises ValueError for a window below 2, of which no deviation
    can be taken.
    """
    _check_window("window", window, least=2)
    values = _values(returns)
    result = np.full(len(values), np.nan)
    if len(values) >= window:
        # Each window by itself: a running sum would carry one window's rounding into all later.
        windows = np.lib.stride_tricks.sliding_window_view(values, window)
        result[window - 1 :] = windows.std(axis=1, ddof=1) * np.sqrt(SESSIONS_PER_YEAR)
    return _like(returns, result)


def wilder_smoothed(values: Values, n: int) -> Values:
    """Give Wilder's average: the mean of the first n values, then (previous (n - 1) + value) / n.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978). Values before the first
    mean are NaN; after a NaN the average begins anew.
    """
    smoothed = np.full(len(values), np.nan)
    since = 0
    average = 0.0
    for at, value in enumerate(values.tolist()):
        if np.isnan(value):
            since, average = 0, 0.0
            continue
        since += 1
        if since <= n:
            average += value / n
        else:
            average = (average * (n - 1) + value) / n
        if since >= n:
            smoothed[at] = average
    return smoothed


def rsi(close: pd.Series, n: int = 14) -> pd.Series:
    """Give Wilder's relative strength index, 0 to 100; the first value after n changes.

    RSI = 100 - 100 / (1 + average gain / average loss), both averages by `wilder_smoothed` (Wilder
    1978). Without any loss it is 100; where no price changed at all it is undefined, hence NaN.
    """
    _check_window("n", n, least=1)
    change = np.diff(_values(close), prepend=np.nan)
    gain = wilder_smoothed(np.where(np.isnan(change), np.nan, np.maximum(change, 0.0)), n)
    loss = wilder_smoothed(np.where(np.isnan(change), np.nan, np.maximum(-change, 0.0)), n)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is meant
        return _like(close, 100.0 * (gain / (gain + loss)))


def true_range(high: pd.Series, low: pd.Series, close: pd.Series) -> pd.Series:
    """Give max(high - low, abs(high - close before), abs(low - close before)) (Wilder 1978).

    NaN on the first row, which has no close before it.
    """
    _check_aligned(high=high, low=low, close=close)
    highs, lows = _values(high), _values(low)
    before = np.full(len(highs), np.nan)
    before[1:] = _values(close)[:-1]
    sides = (highs - lows, np.abs(highs - before), np.abs(lows - before))
    return _like(close, np.maximum(np.maximum(sides[0], sides[1]), sides[2]))


def atr(high: pd.Series, low: pd.Series, close: pd.Series, n: int = 14) -> pd.Series:
    """Give Wilder's average true range in units of price; the first value after n true ranges.

    The first row has no true range, so the first value stands on row n (counted from 0), like the
    first RSI.
    """
    _check_window("n", n, least=1)
    return _like(close, wilder_smoothed(_values(true_range(high, low, close)), n))


def _values(series: pd.Series) -> Values:
    """Give a writable float64 copy: under copy-on-write a view could not be written to."""
    return series.to_numpy(dtype=np.float64, copy=True, na_value=np.nan)


def _like(series: pd.Series, values: Values) -> pd.Series:
    return pd.Series(values, index=series.index, dtype="float64")


def _check_window(name: str, window: int, *, least: int) -> None:
    if window < least:
        raise ValueError(f"{name} is {window}; it must be {least} at least")


def _check_aligned(**series: pd.Series) -> None:
    (first_name, first), *others = series.items()
    for name, other in others:
        if not first.index.equals(other.index):
            raise ValueError(f"{first_name} and {name} do not have the same index; align them")
