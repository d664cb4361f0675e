"""The local level model by maximum likelihood, with an exact diffuse start.

Observations are a random walk seen through noise (Durbin and Koopman, "Time Series Analysis by
State Space Methods", 2nd edition 2012, chapter 2)::

    y_t = level_t + noise_t,          noise ~ N(0, obs_variance)
    level_{t+1} = level_t + step_t,   step  ~ N(0, level_variance)

Nothing is assumed about the first level (diffuse start), and the overall scale has a closed form,
so the likelihood is a function of one number. That number here is the gain ``k`` of the filter's
steady state, in [0, 1]: 0 is a constant level, 1 a pure random walk without noise, and both ends
are regular points. ``level_variance / obs_variance = k^2 / (1 - k)``. The filter is a plain loop
over floats: at 500 observations that is quicker than any call into a general state space library.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.optimize import minimize_scalar

from optifire.core.errors import NoData

#: Fewer observations than this tell nothing reliable about two variances.
MIN_OBSERVATIONS = 60
#: Gains at which every search begins; the best two neighbours bracket the optimum.
_GRID = tuple(step / 10 for step in range(11))
_GAIN_TOLERANCE = 1e-7
#: Relative change below which the variance of a forecast no longer changes.
_SETTLED = 1e-15


@dataclass(frozen=True, slots=True)
class LevelFit:
    """Estimated variances, in the squared unit of the observations.

    ``gain`` is the weight of a new observation in the steady state; ``loglik`` counts the diffuse
    first observation as statsmodels does.
    """

    obs_variance: float
    level_variance: float
    gain: float
    loglik: float


@dataclass(frozen=True, slots=True)
class Filtered:
    """The level given the observations so far, at each observation.

    ``innovations`` are one-step forecast errors and ``innovation_variances`` their variances; both
    start at the second observation, as the first has no forecast.
    """

    levels: list[float]
    variances: list[float]
    innovations: list[float]
    innovation_variances: list[float]


def filter_level(values: Sequence[float], obs_variance: float, level_variance: float) -> Filtered:
    """Give the filtered levels for given variances; with a diffuse start the first is its value."""
    level, variance = values[0], obs_variance
    out = Filtered([level], [variance], [], [])
    for value in values[1:]:
        predicted = variance + level_variance
        total = predicted + obs_variance
        error = value - level
        gain = predicted / total
        level += gain * error
        variance = predicted * (1.0 - gain)
        out.levels.append(level)
        out.variances.append(variance)
        out.innovations.append(error)
        out.innovation_variances.append(total)
    return out


def smooth_level(filtered: Filtered, level_variance: float) -> list[float]:
    """Give the level at each observation given all of them (Rauch, Tung and Striebel, 1965)."""
    smoothed = [filtered.levels[-1]]
    past = zip(filtered.levels[-2::-1], filtered.variances[-2::-1], strict=True)
    for level, variance in past:
        ahead = variance + level_variance
        share = variance / ahead if ahead > 0.0 else 0.0
        smoothed.append(level + share * (smoothed[-1] - level))
    smoothed.reverse()
    return smoothed


def fit_level(values: Sequence[float]) -> LevelFit:
    """Give the maximum-likelihood variances of one sample.

    Parameters
    ----------
    values
        Observations, oldest first; at least `MIN_OBSERVATIONS`.

    Raises
    ------
    NoData
        Too few observations, one that is not finite, or values that never change.
    """
    _check(values)
    origin = values[0]
    centred = [value - origin for value in values]
    losses = [_loss(gain, centred)[0] for gain in _GRID]
    best = losses.index(min(losses))
    low, high = _GRID[max(best - 1, 0)], _GRID[min(best + 1, len(_GRID) - 1)]
    found = minimize_scalar(
        lambda gain: _loss(gain, centred)[0],
        bounds=(low, high),
        method="bounded",
        options={"xatol": _GAIN_TOLERANCE},
    )
    gain = float(found.x) if found.fun < losses[best] else _GRID[best]
    loss, scale = _loss(gain, centred)
    obs, step = _shares(gain)
    return LevelFit(obs * scale, step * scale, gain, -loss)


def _shares(gain: float) -> tuple[float, float]:
    """Give observation and level variance for a steady-state gain, up to one common scale."""
    return 1.0 - gain, gain * gain


def _loss(gain: float, values: Sequence[float]) -> tuple[float, float]:
    """Give the negative log-likelihood with the best common scale, and that scale.

    The variance of the level settles after some observations whatever they are. From there on
    filtering is exponential smoothing, which takes a fifth of the time.
    """
    obs, step = _shares(gain)
    level, variance = values[0], obs
    squares, logs, total, seen = 0.0, 0.0, math.inf, 1
    for value in values[1:]:
        predicted = variance + step
        settled, total = total, predicted + obs
        if abs(total - settled) <= _SETTLED * total:
            break
        error = value - level
        weight = predicted / total
        level += weight * error
        variance = predicted * (1.0 - weight)
        squares += error * error / total
        logs += math.log(total)
        seen += 1
    weight = (variance + step) / total
    rest = 0.0
    for value in values[seen:]:
        error = value - level
        level += weight * error
        rest += error * error
    count = len(values) - 1
    scale = (squares + rest / total) / count
    logs += (count + 1 - seen) * math.log(total)
    loss = 0.5 * ((count + 1) * math.log(2.0 * math.pi) + count * (1.0 + math.log(scale)) + logs)
    return loss, scale


def _check(values: Sequence[float]) -> None:
    if len(values) < MIN_OBSERVATIONS:
        raise NoData(
            f"the local level needs {MIN_OBSERVATIONS} closes, {len(values)} are visible",
            where="fe_kalman",
            remedy="Add history or wait for it",
        )
    if not all(math.isfinite(value) for value in values):
        raise NoData("a close is not a positive number", where="fe_kalman", remedy="Correct it")
    if min(values) == max(values):
        raise NoData("the closes never change", where="fe_kalman", remedy="Check the symbol")
