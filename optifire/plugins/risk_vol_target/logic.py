"""How much to hold so that the volatility held is the one aimed at.

Moreira and Muir, "Volatility-Managed Portfolios", Journal of Finance 72, 2017, scale by the
inverse of recent variance; here by the inverse of volatility, clipped. The estimate of last resort
is the exponentially weighted one of J.P. Morgan's RiskMetrics Technical Document, 4th edition,
1996, with its daily decay of 0.94.
"""

import math
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from optifire.core.errors import NoData

Vector = NDArray[np.float64]

YEAR = 252
DECAY = 0.94
#: Returns the estimate sees; the weight of an older one would be under 0.94^500 = 4e-14.
WINDOW = 500
#: Fewer returns leave over 14 % of the weight to the start (0.94^32).
MIN_RETURNS = 32
#: Volatility aimed at, as an annual fraction, and the limits of the multiplier.
TARGET, FLOOR, CAP = 0.15, 0.5, 2.0


def ewma_variances(returns: Vector, decay: float = DECAY) -> Vector:
    """Give the variance forecast after each return: ``s2 = decay s2 + (1 - decay) r^2``.

    The first one is the first squared return. Means are taken as zero, as RiskMetrics does.
    """
    variances = np.empty(len(returns))
    variance = float(returns[0]) ** 2
    for index, squared in enumerate((returns**2).tolist()):
        variance = decay * variance + (1.0 - decay) * squared
        variances[index] = variance
    return variances


def ewma_vol(returns: Vector) -> float:
    """Give the annualised volatility, as a fraction, of the last `WINDOW` simple returns.

    Raises
    ------
    NoData
        Fewer than `MIN_RETURNS`, or one that is not finite.
    """
    recent = returns[-WINDOW:]
    if len(recent) < MIN_RETURNS:
        raise NoData(
            f"a volatility needs {MIN_RETURNS} returns, {len(recent)} are visible",
            where="risk_vol_target",
            remedy="Add history or wait for it",
        )
    if not np.isfinite(recent).all():
        raise NoData("a return is not a number", where="risk_vol_target", remedy="Correct the bars")
    return math.sqrt(YEAR * float(ewma_variances(recent)[-1]))


def multiplier(vol: float, target: float = TARGET, floor: float = FLOOR, cap: float = CAP) -> float:
    """Give ``target / vol`` within [floor, cap]; no volatility at all gives ``cap``."""
    if vol <= 0.0:
        return cap
    return min(max(target / vol, floor), cap)


def is_usable(forecast: object) -> TypeGuard[float]:
    """Tell whether a forecast read from the context is a positive finite number."""
    return (
        isinstance(forecast, (int, float))
        and not isinstance(forecast, bool)
        and math.isfinite(forecast)
        and forecast > 0.0
    )
