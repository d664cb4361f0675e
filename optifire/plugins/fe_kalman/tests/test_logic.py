"""The local level against the Nile of the textbook and against statsmodels."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.datasets import nile
from statsmodels.tsa.api import UnobservedComponents

from optifire.core.errors import NoData
from optifire.plugins.fe_kalman.logic import (
    MIN_OBSERVATIONS,
    filter_level,
    fit_level,
    smooth_level,
)

NILE_OBS, NILE_LEVEL = 15099.0, 1469.1


@pytest.fixture(scope="module")
def flow() -> list[float]:
    """Annual flow of the Nile at Aswan, 1871 to 1970."""
    values: list[float] = nile.load_pandas().data["volume"].astype(float).tolist()
    return values


def test_the_nile_is_filtered_as_in_durbin_and_koopman(flow: list[float]) -> None:
    found = filter_level(flow, NILE_OBS, NILE_LEVEL)
    assert found.levels[:3] == pytest.approx([1120.0, 1140.928, 1072.799], abs=5e-4)
    assert found.levels[-1] == pytest.approx(798.3703, abs=5e-5)
    assert found.variances[-1] == pytest.approx(4032.158, abs=5e-4)


def test_the_nile_is_smoothed_as_in_durbin_and_koopman(flow: list[float]) -> None:
    found = filter_level(flow, NILE_OBS, NILE_LEVEL)
    smoothed = smooth_level(found, NILE_LEVEL)
    assert smoothed[0] == pytest.approx(1111.668, abs=5e-4)
    assert smoothed[-1] == found.levels[-1]


def test_the_nile_gives_the_published_variances(flow: list[float]) -> None:
    found = fit_level(flow)
    assert found.obs_variance == pytest.approx(NILE_OBS, rel=1e-3)
    assert found.level_variance == pytest.approx(NILE_LEVEL, rel=1e-3)


def test_filter_and_smoother_agree_with_statsmodels_everywhere(flow: list[float]) -> None:
    model = UnobservedComponents(flow, "llevel", use_exact_diffuse=True)
    theirs = model.smooth([NILE_OBS, NILE_LEVEL])
    ours = filter_level(flow, NILE_OBS, NILE_LEVEL)
    assert ours.levels == pytest.approx(theirs.filtered_state[0], rel=1e-12)
    assert ours.variances == pytest.approx(theirs.filtered_state_cov[0, 0], rel=1e-12)
    assert ours.innovations == pytest.approx(theirs.forecasts_error[0, 1:], abs=1e-9)
    assert smooth_level(ours, NILE_LEVEL) == pytest.approx(theirs.smoothed_state[0], rel=1e-12)


@pytest.mark.parametrize("first", [0, 1500, 2500, 4531])
def test_the_likelihood_is_that_of_statsmodels_and_no_start_of_theirs_does_better(
    spx: pd.Series, first: int
) -> None:
    values = (100.0 * np.log(np.array(spx.iloc[first : first + 500], np.float64))).tolist()
    found = fit_level(values)
    model = UnobservedComponents(np.array(values), "llevel", use_exact_diffuse=True)
    same = model.loglike([found.obs_variance, found.level_variance])
    assert found.loglik == pytest.approx(same, abs=1e-6)
    theirs = model.fit(disp=0, method="nm", maxiter=2000)
    assert found.loglik >= theirs.llf - 1e-6
    assert found.level_variance == pytest.approx(theirs.params[1], rel=1e-2)


def test_the_steady_state_is_that_of_the_riccati_equation() -> None:
    found = filter_level([0.0] * 200, 0.1, 0.01)
    predicted = found.variances[-1] + 0.01
    assert predicted == pytest.approx(0.0370156, abs=5e-8)
    assert predicted / (predicted + 0.1) == pytest.approx(0.2701562, abs=5e-8)


def test_the_gain_is_that_of_the_steady_state(flow: list[float]) -> None:
    found = fit_level(flow)
    filtered = filter_level(flow * 3, found.obs_variance, found.level_variance)
    predicted = filtered.variances[-1] + found.level_variance
    assert predicted / (predicted + found.obs_variance) == pytest.approx(found.gain, rel=1e-9)


def test_a_random_walk_without_noise_is_its_own_level() -> None:
    steps = np.random.default_rng(5).standard_normal(400)
    walk = np.cumsum(steps + 0.4 * np.append(0.0, steps[:-1]))  # momentum: no noise to remove
    found = fit_level(walk.tolist())
    assert (found.gain, found.obs_variance) == (1.0, 0.0)
    filtered = filter_level(walk.tolist(), found.obs_variance, found.level_variance)
    assert filtered.levels == pytest.approx(walk.tolist(), abs=1e-12)
    assert smooth_level(filtered, found.level_variance) == pytest.approx(walk.tolist(), abs=1e-12)


def test_pure_noise_has_a_level_that_hardly_moves() -> None:
    noise = np.random.default_rng(11).standard_normal(400)
    found = fit_level(noise.tolist())
    assert found.gain < 0.05
    filtered = filter_level(noise.tolist(), found.obs_variance, found.level_variance)
    assert filtered.levels[-1] == pytest.approx(0.0, abs=0.3)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_unit_and_origin_only_scale_the_variances(scale: float, shift: float) -> None:
    walk = np.cumsum(np.random.default_rng(2).standard_normal(120))
    values = walk + 0.7 * np.random.default_rng(3).standard_normal(120)
    found, moved = fit_level(values.tolist()), fit_level((scale * values + shift).tolist())
    assert moved.gain == pytest.approx(found.gain, abs=1e-5)
    assert moved.obs_variance == pytest.approx(scale**2 * found.obs_variance, rel=1e-3)


def test_a_filtered_level_does_not_know_what_follows(flow: list[float]) -> None:
    whole = filter_level(flow, NILE_OBS, NILE_LEVEL)
    cut = filter_level(flow[:60], NILE_OBS, NILE_LEVEL)
    assert whole.levels[:60] == cut.levels


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "0 are visible"),
        ([1.0] * (MIN_OBSERVATIONS - 1), "needs 60 closes, 59"),
        ([1.0] * 100, "never change"),
        ([*map(float, range(99)), math.nan], "not a positive number"),
        ([*map(float, range(99)), -math.inf], "not a positive number"),
    ],
)
def test_what_cannot_be_fitted_is_said_to_be_no_data(values: list[float], why: str) -> None:
    with pytest.raises(NoData, match=why):
        fit_level(values)
