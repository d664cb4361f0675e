"""Indicators against numbers worked by hand, and what must hold for any series."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.fe.indicators import (
    atr,
    rsi,
    simple_returns,
    true_range,
    volatility,
    wilder_smoothed,
)

PRICES = st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=60)


def dated(values: list[float], name: str = "close") -> pd.Series:
    index = pd.date_range("2018-01-01", periods=len(values), freq="D", tz="UTC", name="ts")
    return pd.Series(values, index=index, name=name, dtype="float64")


def numbers(series: pd.Series) -> list[float]:
    return [float(value) for value in series.to_numpy()]


def test_simple_returns_are_fractions_of_the_price_before() -> None:
    found = simple_returns(dated([100.0, 110.0, 99.0]))
    assert np.isnan(found.iloc[0])
    assert numbers(found)[1:] == pytest.approx([0.1, -0.1], abs=1e-15)


def test_a_price_of_zero_gives_no_infinite_return() -> None:
    found = simple_returns(dated([1.0, 0.0, 1.0, 2.0]))
    assert numbers(found) == pytest.approx([np.nan, -1.0, np.nan, 1.0], nan_ok=True)


def test_volatility_is_the_sample_deviation_times_the_root_of_252() -> None:
    # 0.01 and 0.03: mean 0.02, squares 2e-4, divided by n - 1 = 1; sqrt(2e-4 * 252) = 0.2244994
    found = volatility(dated([0.01, 0.03, 0.03]), 2)
    assert numbers(found) == pytest.approx([np.nan, 0.22449944320643647, 0.0], nan_ok=True)


def test_volatility_takes_its_window_by_name_and_needs_two_returns() -> None:
    returns = dated([0.01, -0.02, 0.03])
    pd.testing.assert_series_equal(volatility(returns, window=3), volatility(returns, 3))
    with pytest.raises(ValueError, match="window is 1"):
        volatility(returns, 1)


def test_wilder_smoothing_starts_with_the_mean_and_then_moves_by_one_nth() -> None:
    # mean(1, 2, 6) = 3; (3*2 + 9)/3 = 5; (5*2 + 2)/3 = 4
    found = wilder_smoothed(np.array([1.0, 2.0, 6.0, 9.0, 2.0]), 3)
    assert list(found) == pytest.approx([np.nan, np.nan, 3.0, 5.0, 4.0], nan_ok=True)


def test_rsi_of_a_worked_example() -> None:
    # Changes +2, -1, +3, -2, +1 with n = 3. Gains: 5/3, then (2*5/3 + 0)/3 = 10/9, then 29/27.
    # Losses: 1/3, then (2/3 + 2)/3 = 8/9, then 16/27. RSI = 100 gain / (gain + loss).
    found = rsi(dated([10.0, 12.0, 11.0, 14.0, 12.0, 13.0]), 3)
    worked = [Fraction(500, 6), Fraction(1000, 18), Fraction(2900, 45)]
    assert np.isnan(found.iloc[:3]).all()
    assert numbers(found)[3:] == pytest.approx([float(value) for value in worked], abs=1e-12)


def test_rsi_of_fourteen_days_gives_the_published_figures() -> None:
    # The often printed teaching example (closes rounded to cents): 70.46, 66.25, 66.48, 69.35.
    closes = (
        "44.34 44.09 44.15 43.61 44.33 44.83 45.10 45.42 45.84 46.08 "
        "45.89 46.03 45.61 46.28 46.28 46.00 46.03 46.41"
    )
    found = rsi(dated([float(word) for word in closes.split()]), 14)
    assert int(found.notna().to_numpy().argmax()) == 14
    assert numbers(found)[14:] == pytest.approx([70.46, 66.25, 66.48, 69.35], abs=0.005)


def test_rsi_is_a_hundred_without_a_loss_and_zero_without_a_gain() -> None:
    rising = [float(value) for value in range(1, 8)]
    assert set(numbers(rsi(dated(rising), 3))[3:]) == {100.0}
    assert set(numbers(rsi(dated(rising[::-1]), 3))[3:]) == {0.0}


def test_rsi_of_prices_that_never_change_is_undefined() -> None:
    assert rsi(dated([5.0] * 10), 3).isna().all()


def test_true_range_counts_gaps_from_the_close_before() -> None:
    # Row 1 opens above the close before (12 - 9), row 2 below it (11 - 7), row 3 lies inside.
    found = true_range(
        dated([10.0, 12.0, 8.0, 9.0]), dated([8.0, 11.0, 7.0, 7.5]), dated([9.0, 11.0, 8.0, 8.0])
    )
    assert numbers(found) == pytest.approx([np.nan, 3.0, 4.0, 1.5], nan_ok=True)


def test_atr_of_a_worked_example() -> None:
    # True ranges 3, 4, 1.5 with n = 2: mean(3, 4) = 3.5, then (3.5 + 1.5)/2 = 2.5.
    found = atr(
        dated([10.0, 12.0, 8.0, 9.0]),
        dated([8.0, 11.0, 7.0, 7.5]),
        dated([9.0, 11.0, 8.0, 8.0]),
        2,
    )
    assert numbers(found) == pytest.approx([np.nan, np.nan, 3.5, 2.5], nan_ok=True)


def test_atr_refuses_series_of_different_days() -> None:
    prices = dated([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="high and low do not have the same index"):
        atr(prices, prices.iloc[1:], prices, 2)


def test_a_missing_price_is_not_filled_in_and_smoothing_begins_anew() -> None:
    found = rsi(dated([1.0, 2.0, 3.0, np.nan, 4.0, 5.0, 6.0, 7.0]), 2)
    assert list(np.flatnonzero(found.notna())) == [2, 6, 7]


@given(PRICES, st.integers(1, 20))
def test_every_indicator_keeps_the_index_of_its_input(prices: list[float], n: int) -> None:
    close = dated(prices)
    for found in (simple_returns(close), volatility(close, n + 1), rsi(close, n)):
        assert found.index.equals(close.index)
        assert found.dtype == np.float64
    assert atr(close * 1.01, close * 0.99, close, n).index.equals(close.index)


@given(PRICES, st.integers(1, 20))
def test_the_first_smoothed_value_stands_after_n_bars(prices: list[float], n: int) -> None:
    close = dated(prices)
    assert atr(close * 1.01, close * 0.99, close, n).isna().sum() == min(n, len(prices))
    assert rsi(close, n).iloc[:n].isna().all()


@given(PRICES, st.integers(1, 20), st.integers(-20, 20))
def test_returns_and_rsi_do_not_depend_on_the_unit_of_price(
    prices: list[float], n: int, power: int
) -> None:
    close = dated(prices)
    scaled = close * 2.0**power  # exact in binary, so the answers are equal and not just close
    pd.testing.assert_series_equal(simple_returns(scaled), simple_returns(close), check_exact=True)
    pd.testing.assert_series_equal(rsi(scaled, n), rsi(close, n), check_exact=True)
    high, low = close * 1.5, close * 0.5
    pd.testing.assert_series_equal(
        atr(high * 2.0**power, low * 2.0**power, scaled, n), atr(high, low, close, n) * 2.0**power
    )


@given(PRICES, st.integers(1, 20), st.integers(1, 59))
def test_no_value_depends_on_a_later_price(prices: list[float], n: int, cut: int) -> None:
    close = dated(prices)
    past = close.iloc[:cut]
    for whole, known in (
        (rsi(close, n), rsi(past, n)),
        (volatility(close, n + 1), volatility(past, n + 1)),
        (atr(close + 1, close - 1, close, n), atr(past + 1, past - 1, past, n)),
    ):
        pd.testing.assert_series_equal(whole.iloc[:cut], known, check_exact=True)


@given(PRICES, st.integers(1, 20))
def test_rsi_lies_between_zero_and_a_hundred_and_mirrors(prices: list[float], n: int) -> None:
    close = dated(prices)
    found = rsi(close, n).dropna()
    assert found.between(0, 100).all()
    mirrored = rsi(-close, n).dropna()
    pd.testing.assert_series_equal(found, 100 - mirrored, atol=1e-9)


def test_inputs_are_left_as_they_were() -> None:
    close = dated([1.0, 2.0, 1.5, 3.0])
    before = close.copy()
    rsi(close, 2)
    volatility(close, 2)
    simple_returns(close)
    pd.testing.assert_series_equal(close, before)
