"""GARCH estimates against the `arch` package, its documentation, and what must hold anyway."""

import datetime as dt
import math

import arch
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optifire.core.errors import NoData
from optifire.data.source import BarSource
from optifire.plugins.fe_garch.likelihood import Likelihood, Variant, backcast
from optifire.plugins.fe_garch.logic import MIN_RETURNS, GarchFit, annualised, fit

Vector = NDArray[np.float64]
VARIANTS = [Variant(a, t) for a in (False, True) for t in (False, True)]


@pytest.fixture(scope="module")
def percent(spx: pd.Series) -> Vector:
    """All 5,030 returns of 1999 to 2018, in percent."""
    returns: Vector = 100.0 * np.array(spx.pct_change().dropna(), np.float64)
    return returns


def reference(returns: Vector, variant: Variant) -> tuple[float, float]:
    """Log-likelihood and next variance as `arch` gives them."""
    model = arch.arch_model(
        returns,
        p=1,
        o=int(variant.asymmetric),
        q=1,
        dist="t" if variant.student else "normal",
        rescale=False,
    )
    found = model.fit(disp="off", tol=1e-10)
    return found.loglikelihood, float(
        np.array(found.forecast(horizon=1).variance, np.float64)[-1, 0]
    )


def test_the_index_gives_the_estimates_of_the_arch_documentation(percent: Vector) -> None:
    found = fit(percent)
    assert found.nobs == 5030
    assert found.mu == pytest.approx(0.056353, abs=2e-6)
    assert found.omega == pytest.approx(0.017507, abs=2e-6)
    assert found.alpha == pytest.approx(0.102150, abs=2e-6)
    assert found.beta == pytest.approx(0.885206, abs=2e-6)
    assert found.loglik == pytest.approx(-6936.718, abs=1e-3)
    assert -2 * found.loglik + 2 * 4 == pytest.approx(13881.44, abs=5e-3)


def test_the_index_gives_the_forecasts_of_the_arch_documentation(percent: Vector) -> None:
    expected = [3.59647, 3.568502, 3.540887, 3.513621, 3.486701]
    assert fit(percent).variance_path(5) == pytest.approx(expected, rel=1e-5)


def test_the_asymmetric_model_gives_the_documented_likelihood(percent: Vector) -> None:
    found = fit(percent, Variant(asymmetric=True))
    assert found.loglik == pytest.approx(-6822.883, abs=1e-3)
    assert found.gamma == pytest.approx(0.183069, abs=1e-5)
    assert found.alpha == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_reaches_at_least_the_likelihood_of_arch(
    percent: Vector, variant: Variant
) -> None:
    for start in (0, 1200, 2510):
        sample = percent[start : start + 2520]
        loglik, variance = reference(sample, variant)
        found = fit(sample, variant)
        assert found.loglik >= loglik - 1e-4
        assert found.loglik == pytest.approx(loglik, abs=5e-3)
        assert found.next_variance == pytest.approx(variance, rel=2e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_score_is_the_slope_of_the_likelihood(percent: Vector, variant: Variant) -> None:
    sample = percent[:700]
    likelihood = Likelihood(sample, backcast(sample), variant)
    theta = np.array([0.05, 0.02, 0.87, 0.06, *([0.14] if variant.asymmetric else []), 7.5])
    theta = theta if variant.student else theta[:-1]
    steps = np.eye(len(theta)) * 1e-6
    slopes = [(likelihood(theta + h)[0] - likelihood(theta - h)[0]) / 2e-6 for h in steps]
    assert likelihood(theta)[1] == pytest.approx(slopes, rel=1e-5, abs=1e-7)


def test_the_variances_obey_the_recursion() -> None:
    returns = np.array([1.0, -2.0, 0.5, 0.0])
    variances = Likelihood(returns, 1.5, Variant()).variances(np.array([0.1, 0.2, 0.7, 0.25]))
    expected = [0.2 + 0.25 * 1.5 + 0.7 * 1.5]
    for value in returns:
        expected.append(0.2 + 0.25 * (value - 0.1) ** 2 + 0.7 * expected[-1])
    assert variances == pytest.approx(expected, rel=1e-14)


def test_only_a_fall_feeds_the_asymmetric_shock() -> None:
    returns = np.array([1.0, -2.0, 0.5])
    theta = np.array([0.0, 0.2, 0.7, 0.1, 0.3])
    variances = Likelihood(returns, 1.0, Variant(asymmetric=True)).variances(theta)
    expected = [0.2 + 0.5 * (0.1 + 0.3) + 0.7]
    for value, weight in zip(returns, (0.1, 0.3, 0.1), strict=True):
        expected.append(0.2 + weight * value**2 + 0.7 * expected[-1])
    assert variances == pytest.approx(expected, rel=1e-14)


def test_the_backcast_weighs_the_first_75_squares_by_powers_of_94_percent() -> None:
    assert backcast(np.array([2.0, 1.0])) == pytest.approx((4.0 + 0.94) / 1.94)
    long = np.concatenate((np.ones(75), np.full(50, 9.0)))
    assert backcast(long) == pytest.approx(1.0)


def test_planted_parameters_are_found_again() -> None:
    rng = np.random.default_rng(7)
    variance, returns = 1.0, []
    for shock in rng.standard_normal(12_000):
        returns.append(math.sqrt(variance) * shock)
        variance = 0.05 + 0.10 * returns[-1] ** 2 + 0.85 * variance
    found = fit(np.array(returns))
    assert found.alpha == pytest.approx(0.10, abs=0.02)
    assert found.beta == pytest.approx(0.85, abs=0.03)
    assert found.long_run_variance == pytest.approx(1.0, abs=0.1)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-4, 1e4))
def test_the_unit_of_the_returns_only_scales_the_result(scale: float) -> None:
    returns = np.random.default_rng(3).standard_normal(600)
    found, scaled = fit(returns), fit(scale * returns)
    assert scaled.next_variance == pytest.approx(scale**2 * found.next_variance, rel=1e-6)
    assert scaled.alpha == pytest.approx(found.alpha, abs=1e-6)


def test_the_same_window_gives_the_same_bits_whatever_came_before(percent: Vector) -> None:
    first = fit(percent[:2520])
    fit(percent[100:2620])
    assert fit(percent[:2520]) == first


def test_prices_that_mostly_stand_still_are_no_data(source: BarSource) -> None:
    closes = source.series("RRC", asof=dt.datetime(1994, 1, 3, 22, tzinfo=dt.UTC))
    returns = 100.0 * np.array(closes.pct_change().iloc[1:], np.float64)
    with pytest.raises(NoData, match="exactly zero"):
        fit(returns)


def test_a_search_that_ends_elsewhere_than_at_an_optimum_is_an_error() -> None:
    returns = 0.01 + 1e-3 * np.random.default_rng(0).standard_normal(901)
    returns[600] = 50.0  # the likelihood grows without end as nu falls
    with pytest.raises(ArithmeticError, match="no optimum of the GARCH likelihood"):
        fit(returns, Variant(asymmetric=True, student=True))


def fitted(alpha: float, beta: float) -> GarchFit:
    return GarchFit(0.0, 0.02, alpha, 0.0, beta, None, 0.0, 4.0, 1000)


def test_half_of_a_shock_is_left_after_a_half_life() -> None:
    half_life = fitted(0.1, 0.8).half_life
    assert half_life is not None
    assert 0.9**half_life == pytest.approx(0.5)


@pytest.mark.parametrize("beta", [0.8999, 0.9, 0.95])
def test_an_integrated_model_has_no_half_life_and_no_long_run_level(beta: float) -> None:
    found = fitted(0.1, beta)
    assert found.half_life is None
    assert found.long_run_variance is None


def test_forecasts_tend_to_the_long_run_level() -> None:
    found = fitted(0.1, 0.8)
    path = found.variance_path(400)
    assert path[0] == 4.0
    assert path[-1] == pytest.approx(found.long_run_variance)
    assert (np.diff(path) <= 0).all()


def test_one_percent_a_day_is_sixteen_percent_a_year() -> None:
    assert annualised(1.0) == pytest.approx(math.sqrt(252) / 100)


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.array([]), "0 are visible"),
        (np.ones(MIN_RETURNS - 1), "needs 500 returns, 499"),
        (np.full(600, 0.3), "never change"),
        (np.append(np.random.default_rng(1).standard_normal(600), np.nan), "not a number"),
        (np.append(np.random.default_rng(1).standard_normal(600), np.inf), "not a number"),
    ],
)
def test_what_cannot_be_fitted_is_said_to_be_no_data(returns: Vector, why: str) -> None:
    with pytest.raises(NoData, match=why):
        fit(returns)


def test_the_input_is_not_changed(percent: Vector) -> None:
    before = percent[:800].copy()
    sample = before.copy()
    sample.setflags(write=False)
    fit(sample)
    assert (sample == before).all()
