"""The estimate of last resort and the multiplier."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optifire.core.errors import NoData
from optifire.plugins.risk_vol_target.logic import (
    CAP,
    DECAY,
    FLOOR,
    MIN_RETURNS,
    YEAR,
    ewma_variances,
    ewma_vol,
    is_usable,
    multiplier,
)

Vector = NDArray[np.float64]


@pytest.fixture
def returns(spx: pd.Series) -> Vector:
    found: Vector = np.array(spx.pct_change().dropna(), np.float64)
    return found


def test_the_end_of_2018_has_the_known_volatility_and_multiplier(returns: Vector) -> None:
    vol = ewma_vol(returns)
    assert vol == pytest.approx(0.2812219, abs=5e-8)
    assert multiplier(vol) == pytest.approx(0.533387, abs=5e-7)


def managed_vol(returns: Vector, floor: float) -> float:
    """Annual volatility of the index held by yesterday's multiplier."""
    vols = np.sqrt(YEAR * ewma_variances(returns))
    held = np.array([multiplier(vol, floor=floor) for vol in vols[:-1]])
    return float(np.std(held * returns[1:], ddof=1) * math.sqrt(YEAR))


def test_holding_by_the_multiplier_brings_twenty_years_near_the_target(returns: Vector) -> None:
    raw = float(np.std(returns, ddof=1) * math.sqrt(YEAR))
    assert raw == pytest.approx(0.1910, abs=5e-5)
    assert managed_vol(returns, floor=0.0) == pytest.approx(0.1559, abs=2e-4)
    assert managed_vol(returns, floor=FLOOR) == pytest.approx(0.1612, abs=5e-5)


def test_the_decay_remembers_32_returns_and_halves_in_11_sessions() -> None:
    effective, half_life = (1 + DECAY) / (1 - DECAY), math.log(0.5) / math.log(DECAY)
    assert effective == pytest.approx(32.333, abs=5e-4)
    assert half_life == pytest.approx(11.2023, abs=5e-5)


def test_the_recursion_is_riskmetrics() -> None:
    found = ewma_variances(np.array([0.02, -0.01, 0.03]))
    second = 0.94 * 0.0004 + 0.06 * 0.0001
    assert found == pytest.approx([0.0004, second, 0.94 * second + 0.06 * 0.0009])


def test_what_lies_before_the_window_does_not_matter(returns: Vector) -> None:
    assert ewma_vol(returns) == ewma_vol(returns[-500:])
    whole = math.sqrt(YEAR * ewma_variances(returns)[-1])
    assert ewma_vol(returns) == pytest.approx(whole, rel=1e-12)


def test_no_volatility_at_all_is_capped_and_not_infinite() -> None:
    assert ewma_vol(np.zeros(60)) == 0.0
    assert multiplier(0.0) == CAP
    assert multiplier(5e-324) == CAP


@pytest.mark.parametrize(
    ("vol", "expected"), [(0.15, 1.0), (0.075, 2.0), (0.05, 2.0), (0.30, 0.5), (0.90, 0.5)]
)
def test_the_multiplier_is_the_target_over_the_volatility_within_limits(
    vol: float, expected: float
) -> None:
    assert multiplier(vol) == pytest.approx(expected)


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_more_volatility_never_means_more_exposure(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert CAP >= multiplier(low) >= multiplier(high) >= FLOOR


@given(st.integers(0, 1000), st.floats(1e-3, 10.0))
def test_the_volatility_scales_with_the_returns(seed: int, scale: float) -> None:
    values = 0.01 * np.random.default_rng(seed).standard_normal(80)
    assert ewma_vol(scale * values) == pytest.approx(scale * ewma_vol(values), rel=1e-9)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.array([]), "0 are visible"),
        (np.ones(MIN_RETURNS - 1), "needs 32 returns, 31"),
        (np.append(np.ones(60), np.nan), "not a number"),
        (np.append(np.ones(60), np.inf), "not a number"),
    ],
)
def test_what_cannot_be_estimated_is_said_to_be_no_data(values: Vector, why: str) -> None:
    with pytest.raises(NoData, match=why):
        ewma_vol(values)


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        (0.2, True),
        (1, True),
        (None, False),
        (math.nan, False),
        (math.inf, False),
        (0.0, False),
        (-0.1, False),
        ("0.2", False),
        (True, False),
    ],
)
def test_only_a_positive_finite_number_is_a_forecast(value: object, *, usable: bool) -> None:
    assert is_usable(value) is usable
