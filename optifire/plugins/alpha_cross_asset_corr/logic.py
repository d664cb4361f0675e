"""Correlation with its sampling error, and corrected for the volatility it was measured in.

The interval is R. A. Fisher's ("Frequency Distribution of the Values of the Correlation
Coefficient", Biometrika 10, 1915; the transform in Metron 1, 1921). The correction is that of
Forbes and Rigobon, "No Contagion, Only Interdependence", Journal of Finance 57, 2002: in a
turbulent month any pair looks more correlated than it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optifire.core.errors import NoData

Vector = NDArray[np.float64]

#: Two-sided 95 % point of the standard normal.
Z_95 = 1.959963984540054
#: A hedge holds only where the whole interval lies below this correlation.
HEDGE_EDGE = -0.4
#: Returns in a daily and in a monthly reading.
DAYS, MONTHS = 60, 36
#: Returns before the window that say what is normal volatility.
BASE = 252


@dataclass(frozen=True, slots=True)
class Correlation:
    """One correlation, its 95 % interval, and whether the hedge it stands for is broken.

    ``adjusted`` is the Forbes-Rigobon value, None without enough earlier returns.
    """

    rho: float
    low: float
    high: float
    adjusted: float | None
    breakdown: bool


def pearson(x: Vector, y: Vector) -> float:
    """Give Pearson's correlation of two aligned samples, within [-1, 1]."""
    a, b = x - x.mean(), y - y.mean()
    return float(np.clip(a @ b / math.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def fisher_interval(rho: float, count: int) -> tuple[float, float]:
    """Give the 95 % interval of a correlation of ``count`` pairs; at least 4 of them."""
    if abs(rho) >= 1.0:
        return rho, rho
    centre, half = math.atanh(rho), Z_95 / math.sqrt(count - 3)
    return math.tanh(centre - half), math.tanh(centre + half)


def vol_adjusted(rho: float, delta: float) -> float:
    """Give ``rho / sqrt(1 + delta (1 - rho^2))``, delta the relative rise of variance (> -1)."""
    return rho / math.sqrt(1.0 + delta * (1.0 - rho * rho))


def is_broken(low: float) -> bool:
    """Tell whether a hedge is broken: its interval does not lie wholly below the edge.

    The rule compares the *lower* bound: a breakdown is called when even the most favourable
    correlation that the sample allows is above -0.4.
    """
    return low > HEDGE_EDGE


def returns_of(prices: Vector) -> Vector:
    """Give simple returns; NoData when a price is not a positive finite number."""
    if not (np.isfinite(prices).all() and (prices > 0.0).all()):
        raise NoData(
            "a price is missing or not positive",
            where="alpha_cross_asset_corr",
            remedy="Correct the bars: a return is not defined there",
        )
    return np.asarray(prices[1:] / prices[:-1] - 1.0)


def signal(readings: Sequence[Correlation]) -> float:
    """Give 0 while every pair hedges, -1 when every one is broken, in between by share."""
    return -sum(reading.breakdown for reading in readings) / len(readings) + 0.0


def correlate(x: Vector, y: Vector, window: int, base: int = 0) -> Correlation:
    """Give the correlation of the last ``window`` returns.

    Parameters
    ----------
    x, y
        (n,) float64 simple returns of the same periods, oldest first; n at least ``window``.
    window
        Returns in the reading, at least 4.
    base
        Returns just before them that give the normal variance of ``x``; 0 for no adjustment.

    Raises
    ------
    NoData
        Fewer returns than ``window``, or one side did not move.
    """
    if len(x) < window:
        raise NoData(
            f"a correlation needs {window} common returns, {len(x)} are visible",
            where="alpha_cross_asset_corr",
            remedy="Add history or wait for it",
        )
    recent_x, recent_y = x[-window:], y[-window:]
    if np.ptp(recent_x) == 0.0 or np.ptp(recent_y) == 0.0:
        raise NoData(
            "one side did not move", where="alpha_cross_asset_corr", remedy="Check the symbols"
        )
    rho = pearson(recent_x, recent_y)
    low, high = fisher_interval(rho, window)
    adjusted = _adjust(rho, x, window, base)
    return Correlation(rho, low, high, adjusted, is_broken(low))


def _adjust(rho: float, x: Vector, window: int, base: int) -> float | None:
    normal = x[-window - base : -window]
    if base == 0 or len(normal) < base:
        return None
    variance = float(normal.var(ddof=1))
    if variance == 0.0:
        return None
    return vol_adjusted(rho, float(x[-window:].var(ddof=1)) / variance - 1.0)
