"""GARCH(1,1) by maximum likelihood.

The model (Bollerslev, "Generalized Autoregressive Conditional Heteroskedasticity", Journal of
Econometrics 31, 1986), with the asymmetry of Glosten, Jagannathan and Runkle (Journal of Finance
48, 1993) and standardised Student errors as options::

    y_t  = mu + e_t
    s2_t = omega + alpha e_{t-1}^2 + gamma e_{t-1}^2 [e_{t-1} < 0] + beta s2_{t-1}

Variances before the sample are the weighted mean of the first 75 squared residuals with weights
0.94^i, as in the ``arch`` package, which is the reference in the tests.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from optifire.core.errors import NoData
from optifire.plugins.fe_garch.likelihood import FIXED, Likelihood, Variant, Vector, backcast

#: Sessions in a year, for annualising.
YEAR = 252
#: Persistence from which a shock is taken never to fade: no half-life, no long-run level.
INTEGRATED = 0.9999
#: Fewer returns than this tell nothing reliable about four parameters.
MIN_RETURNS = 500

#: An optimum is flat: 1 % of a parameter changes the mean log-likelihood by less than 1e-5.
_FLAT = 1e-3
#: How near to its bound a parameter is held by it, and the least size that slopes are relative to.
_AT_BOUND, _SMALL = 1e-7, 1e-3

#: Where every search starts, in units of the sample's own variance: (omega, alpha, beta), nu.
_START = (0.05, 0.10, 0.85)
_START_NU = 8.0
_NU_BOUNDS = (2.05, 500.0)


@dataclass(frozen=True, slots=True)
class GarchFit:
    """Estimates in the units of the returns, and the variance they forecast for the next return."""

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    nu: float | None
    loglik: float
    next_variance: float
    nobs: int

    @property
    def persistence(self) -> float:
        """Give the share of a variance shock that is left one period later."""
        return self.alpha + 0.5 * self.gamma + self.beta

    @property
    def half_life(self) -> float | None:
        """Give the periods until half a shock has faded; None when it never does."""
        if not 0.0 < self.persistence < INTEGRATED:
            return None
        return math.log(0.5) / math.log(self.persistence)

    @property
    def long_run_variance(self) -> float | None:
        """Give the level that forecasts tend to; None when there is none."""
        if self.persistence >= INTEGRATED:
            return None
        return self.omega / (1.0 - self.persistence)

    def variance_path(self, horizon: int) -> Vector:
        """Give the expected variances of the next ``horizon`` periods, nearest first."""
        path = np.empty(horizon)
        variance = self.next_variance
        for step in range(horizon):
            path[step] = variance
            variance = self.omega + self.persistence * variance
        return path


def annualised(variance: float) -> float:
    """Give annual volatility as a fraction from a daily variance of returns in percent."""
    return math.sqrt(YEAR * variance) / 100.0


def fit(
    returns: Vector, variant: Variant | None = None, *, before: float | None = None
) -> GarchFit:
    """Give the maximum-likelihood estimates for one sample.

    Parameters
    ----------
    returns
        (n,) float64, oldest first, best in percent.
    variant
        Which model; plain GARCH with normal errors if not given.
    before
        Variance before the sample; `backcast` of the demeaned returns if not given.

    Raises
    ------
    NoData
        Fewer than `MIN_RETURNS`, a value that is not finite, or returns that hardly ever change.
    ArithmeticError
        The search did not end at an optimum; the likelihood may have none.
    """
    variant = variant or Variant()
    returns = _checked(returns)
    centred = returns - returns.mean()
    scale = float(centred.std())
    start = backcast(centred) if before is None else before
    likelihood = Likelihood(returns / scale, start / scale**2, variant)
    theta = _maximise(likelihood)
    return _report(likelihood, theta, scale)


def _checked(returns: Vector) -> Vector:
    values = np.array(returns, dtype=float)
    if len(values) < MIN_RETURNS:
        raise NoData(
            f"GARCH needs {MIN_RETURNS} returns, {len(values)} are visible",
            where="fe_garch",
            remedy="Add history or wait for it",
        )
    if not np.isfinite(values).all():
        raise NoData("a return is not a number", where="fe_garch", remedy="Correct the bars")
    if np.median(np.abs(values)) == 0.0:
        raise NoData(
            "at least half of the returns are exactly zero",
            where="fe_garch",
            remedy="Check the symbol: prices that stand still have no volatility to fit",
        )
    if np.ptp(values) == 0.0:
        raise NoData("the returns never change", where="fe_garch", remedy="Check the symbol")
    return values


def _maximise(likelihood: Likelihood) -> Vector:
    """Give the best parameters, searched from the same relative start for every sample."""
    omega, alpha, beta = _START
    count = 2 if likelihood.variant.asymmetric else 1
    start = [float(likelihood.returns.mean()), omega, beta] + [alpha] * count
    bounds = [(-10.0, 10.0), (1e-8, 10.0), (0.0, 1.0)] + [(0.0, 2.0 if count > 1 else 1.0)] * count
    room = np.array([0.0, 0.0, -1.0] + [-1.0 / count] * count)
    if likelihood.variant.student:
        start, bounds, room = [*start, _START_NU], [*bounds, _NU_BOUNDS], np.append(room, 0.0)
    found = minimize(
        likelihood,
        np.array(start),
        jac=True,
        method="SLSQP",
        bounds=bounds,
        constraints={"type": "ineq", "fun": lambda x: 1.0 + room @ x, "jac": lambda _: room},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    best = np.asarray(found.x, dtype=float)
    slope = _slope(best, likelihood(best)[1], bounds, room)
    if not found.success or slope > _FLAT:
        raise ArithmeticError(
            f"no optimum of the GARCH likelihood after {found.nit} steps: {found.message}, "
            f"relative slope {slope:.1e}"
        )
    return best


def _slope(
    theta: Vector, gradient: Vector, bounds: Sequence[tuple[float, float]], room: Vector
) -> float:
    """Give the largest relative slope among the parameters that no bound holds.

    Where persistence has reached 1, that holds the parameters which it is made of.
    """
    low, high = np.array(bounds).T
    free = (theta > low + _AT_BOUND) & (theta < high - _AT_BOUND)
    if 1.0 + room @ theta <= _AT_BOUND:
        free &= room == 0.0
    relative = np.abs(gradient) * np.maximum(np.abs(theta), _SMALL)
    return float(relative[free].max(initial=0.0))


def _report(likelihood: Likelihood, theta: Vector, scale: float) -> GarchFit:
    value, _ = likelihood(theta)
    nobs = len(likelihood.returns)
    mu, omega, beta = (float(number) for number in theta[:FIXED])
    rise, fall = float(theta[FIXED]), float(theta[FIXED + int(likelihood.variant.asymmetric)])
    return GarchFit(
        mu=mu * scale,
        omega=omega * scale**2,
        alpha=rise,
        gamma=fall - rise,
        beta=beta,
        nu=float(theta[-1]) if likelihood.variant.student else None,
        loglik=-nobs * (value + math.log(scale)),
        next_variance=float(likelihood.variances(theta)[-1]) * scale**2,
        nobs=nobs,
    )
