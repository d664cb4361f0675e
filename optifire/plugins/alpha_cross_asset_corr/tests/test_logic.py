"""Correlation, its interval and its correction against hand-worked values."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optifire.core.errors import NoData
from optifire.plugins.alpha_cross_asset_corr.logic import (
    Correlation,
    correlate,
    fisher_interval,
    is_broken,
    pearson,
    returns_of,
    signal,
    vol_adjusted,
)

Vector = NDArray[np.float64]


def test_the_interval_is_fishers() -> None:
    assert fisher_interval(-0.7, 60) == pytest.approx((-0.80996, -0.54250), abs=5e-6)


@given(st.floats(-0.999, 0.999), st.integers(4, 500))
def test_the_interval_holds_its_correlation_and_narrows_with_more_pairs(
    rho: float, count: int
) -> None:
    low, high = fisher_interval(rho, count)
    assert -1.0 <= low <= rho <= high <= 1.0
    more = fisher_interval(rho, count + 50)
    assert low <= more[0] <= more[1] <= high


@pytest.mark.parametrize("rho", [-1.0, 1.0])
def test_a_perfect_correlation_has_no_interval(rho: float) -> None:
    assert fisher_interval(rho, 60) == (rho, rho)


def test_doubled_variance_explains_part_of_a_correlation() -> None:
    assert vol_adjusted(0.7, 1.0) == pytest.approx(0.569652, abs=5e-7)
    assert vol_adjusted(0.7, 0.0) == 0.7
    assert vol_adjusted(-0.7, 1.0) == -vol_adjusted(0.7, 1.0)


def test_turbulence_alone_is_taken_out_again() -> None:
    rng = np.random.default_rng(1)
    x, noise = rng.standard_normal(400_000), rng.standard_normal(400_000)
    y = 0.5 * x + noise
    calm = pearson(x, y)
    wild = pearson(3.0 * x, 0.5 * 3.0 * x + noise)
    assert wild - calm > 0.3
    assert vol_adjusted(wild, 9.0 - 1.0) == pytest.approx(calm, abs=5e-3)


@pytest.fixture
def stocks_and_bonds(spx_monthly: pd.Series, bond: pd.Series) -> tuple[Vector, Vector]:
    stocks = pd.Series(returns_of(np.array(spx_monthly, np.float64)), index=spx_monthly.index[1:])
    common = stocks.index.intersection(bond.index)
    return np.array(stocks[common], np.float64), np.array(bond[common], np.float64)


def test_twenty_years_of_stocks_and_bonds_are_hardly_correlated(
    stocks_and_bonds: tuple[Vector, Vector],
) -> None:
    x, y = stocks_and_bonds
    assert len(x) == 239
    assert pearson(x, y) == pytest.approx(-0.0375, abs=5e-5)


def test_thirty_six_months_of_stocks_and_bonds_range_from_minus_half_to_plus_two_fifths(
    stocks_and_bonds: tuple[Vector, Vector],
) -> None:
    x, y = stocks_and_bonds
    found = [correlate(x[:end], y[:end], 36).rho for end in range(36, len(x) + 1)]
    assert min(found) == pytest.approx(-0.513, abs=5e-4)
    assert max(found) == pytest.approx(0.410, abs=5e-4)


@given(st.integers(0, 1000), st.floats(0.01, 100.0), st.floats(-5.0, 5.0))
def test_scale_and_shift_do_not_change_a_correlation(seed: int, scale: float, shift: float) -> None:
    x, y = np.random.default_rng(seed).standard_normal((2, 80))
    rho = correlate(x, y, 60).rho
    assert correlate(scale * x + shift, y, 60).rho == pytest.approx(rho, abs=1e-9)
    assert correlate(-scale * x, y, 60).rho == pytest.approx(-rho, abs=1e-9)
    assert correlate(y, x, 60).rho == pytest.approx(rho, abs=1e-12)
    assert rho == pytest.approx(np.corrcoef(x[-60:], y[-60:])[0, 1], abs=1e-12)


@pytest.mark.parametrize(
    ("rho", "count", "broken"),
    [(-0.7, 60, False), (-0.4, 60, False), (-0.17, 60, False), (-0.16, 60, True), (0.3, 36, True)],
)
def test_a_breakdown_is_called_only_beyond_the_sampling_error(
    rho: float, count: int, *, broken: bool
) -> None:
    assert is_broken(fisher_interval(rho, count)[0]) is broken


def test_the_signal_is_the_share_of_hedges_that_are_broken() -> None:
    holds = Correlation(-0.8, -0.9, -0.7, None, breakdown=False)
    broken = Correlation(0.1, -0.2, 0.3, None, breakdown=True)
    assert signal([holds, holds]) == 0.0
    assert signal([holds, broken]) == -0.5
    assert signal([broken, broken]) == -1.0


def test_the_adjustment_needs_its_whole_base_and_a_base_that_moves() -> None:
    x, y = np.random.default_rng(6).standard_normal((2, 100))
    assert correlate(x, y, 60, base=41).adjusted is None
    assert correlate(x, y, 60).adjusted is None
    x[:40] = 0.0
    assert correlate(x, y, 60, base=40).adjusted is None


def test_the_adjustment_compares_the_window_with_what_came_before_it() -> None:
    x, y = np.random.default_rng(6).standard_normal((2, 100))
    found = correlate(x, y, 60, base=40)
    delta = x[40:].var(ddof=1) / x[:40].var(ddof=1) - 1.0
    assert found.adjusted == pytest.approx(vol_adjusted(found.rho, delta))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -37.63])
def test_a_price_without_a_return_is_no_data(bad: float) -> None:
    with pytest.raises(NoData, match="not positive"):
        returns_of(np.array([10.0, bad, 11.0]))


def test_too_few_or_motionless_returns_are_no_data() -> None:
    x, y = np.random.default_rng(6).standard_normal((2, 60))
    with pytest.raises(NoData, match="60 common returns, 59"):
        correlate(x[1:], y[1:], 60)
    with pytest.raises(NoData, match="0 are visible"):
        correlate(x[:0], y[:0], 60)
    with pytest.raises(NoData, match="did not move"):
        correlate(x, np.zeros(60), 60)
