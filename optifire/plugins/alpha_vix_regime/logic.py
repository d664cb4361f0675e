"""Regimes of the VIX: plain bins, bins held by hysteresis, and where the latest close ranks.

The VIX is the Cboe index of 30-day implied volatility of the S&P 500 in annualised percent
points (Whaley, "The Investor Fear Gauge", Journal of Portfolio Management 26(3), 2000). The
bin edges are a house rule, not a published one.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from optifire.core.errors import NoData

#: Lower edges of every bin but the first, in VIX points; an edge belongs to the bin above it.
EDGES = (15.0, 25.0, 35.0)
#: How far beyond an edge a close must be before the held regime follows, in VIX points.
BAND = 1.0
#: How many closes a percentile is taken over: about one year of sessions.
PERCENTILE_WINDOW = 252


@dataclass(frozen=True, slots=True)
class Regime:
    """One bin of the VIX and what it means for exposure."""

    name: str
    exposure_multiplier: float
    signal: float


REGIMES = (
    Regime("low_vol", 1.2, 1.0),
    Regime("normal", 1.0, 0.0),
    Regime("elevated", 0.7, -0.5),
    Regime("crisis", 0.3, -1.0),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the closes say about their last one; ``percentile`` is a fraction or None."""

    vix: float
    regime: Regime
    days_in_regime: int
    held: Regime
    days_held: int
    percentile: float | None


def level(vix: float) -> int:
    """Give the index into `REGIMES` of one close, in VIX points; NoData when it is no price."""
    if not (math.isfinite(vix) and vix > 0.0):
        raise NoData(
            f"{vix!r} is not a VIX close",
            where="alpha_vix_regime",
            remedy="Correct or remove this bar",
        )
    return bisect_right(EDGES, vix)


def classify(vix: float) -> Regime:
    """Give the regime of one close, in VIX points."""
    return REGIMES[level(vix)]


def held_levels(closes: Sequence[float], band: float = BAND) -> list[int]:
    """Give the held level after each close.

    The first close sets the level. After that the level rises past an edge only with a close at
    least ``band`` above it, and falls past an edge only with a close more than ``band`` below it;
    within one close it may pass several edges.
    """
    levels: list[int] = []
    for close in closes:
        plain = level(close)
        if not levels:
            levels.append(plain)
            continue
        risen = bisect_right(EDGES, close - band)
        fallen = bisect_right(EDGES, close + band)
        levels.append(min(max(levels[-1], risen), fallen))
    return levels


def streak(levels: Sequence[int]) -> int:
    """Give how many of the last entries are equal to the last one, at least 1."""
    last = levels[-1]
    for count, earlier in enumerate(reversed(levels)):
        if earlier != last:
            return count
    return len(levels)


def percentile(closes: Sequence[float], window: int = PERCENTILE_WINDOW) -> float | None:
    """Give the fraction of the last ``window`` closes at or below the last; None with fewer."""
    if len(closes) < window:
        return None
    recent = closes[-window:]
    return sum(close <= recent[-1] for close in recent) / window


def read(closes: Sequence[float]) -> Reading:
    """Give the reading of the last close.

    Parameters
    ----------
    closes
        Every visible VIX close, oldest first, in points.

    Raises
    ------
    NoData
        There is no close, or one of them is not a positive finite number.
    """
    if not closes:
        raise NoData("no VIX close is visible", where="alpha_vix_regime", remedy="Add VIX bars")
    plain = [level(close) for close in closes]
    held = held_levels(closes)
    return Reading(
        vix=closes[-1],
        regime=REGIMES[plain[-1]],
        days_in_regime=streak(plain),
        held=REGIMES[held[-1]],
        days_held=streak(held),
        percentile=percentile(closes),
    )
