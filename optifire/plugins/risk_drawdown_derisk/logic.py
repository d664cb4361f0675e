"""How much exposure a drawdown leaves, and when it comes back.

A ladder on the fall from the high-water mark, in the spirit of Grossman and Zhou, "Optimal
Investment Strategies for Controlling Drawdowns", 1993. The steps are a house rule.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optifire.core.errors import NoData

Vector = NDArray[np.float64]
#: Drawdown, a fraction, at which each step down begins; the edge itself belongs to the step.
EDGES = (0.05, 0.08)
#: Exposure, a fraction, on each step: above the first edge, between the two, at or past the second.
EXPOSURES = (1.0, 0.5, 0.0)
INSIDE = 0.01  # how far inside its edge the drawdown must be to climb again: 7 % and 4 %
#: 92/100 is 8 % down in decimal, but 1 - 92/100 is 0.07999999999999996 in binary.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Ladder:
    """Where the last close stands.

    ``high`` is the greatest close so far and ``high_at`` its index; ``drawdown`` and
    ``worst`` (the greatest drawdown so far) are positive fractions; ``step`` 0 is full exposure,
    ``step_before`` the step after the close before.
    """

    high: float
    high_at: int
    drawdown: float
    worst: float
    step: int
    step_before: int

    @property
    def exposure(self) -> float:
        """Give the exposure of the step, a fraction."""
        return EXPOSURES[self.step]


def next_step(step: int, drawdown: float) -> int:
    """Give the step after one close.

    Down goes at once, over both edges if need be; up goes one step a close, and only with the
    drawdown at least `INSIDE` within the edge of the step that is left.
    """
    down = sum(drawdown >= edge - _ROUNDING for edge in EDGES)
    if down > step:
        return down
    if step and drawdown <= EDGES[step - 1] - INSIDE + _ROUNDING:
        return step - 1
    return step


#: What the rule can tell apart: below 4 %, to 5 %, to 7 %, to 8 %, and from there on.
_BANDS = (
    (np.greater, EDGES[0] - INSIDE + _ROUNDING),
    (np.greater_equal, EDGES[0] - _ROUNDING),
    (np.greater, EDGES[1] - INSIDE + _ROUNDING),
    (np.greater_equal, EDGES[1] - _ROUNDING),
)
#: The rule for each band and step, asked once with a drawdown inside the band: twenty years of
#: closes are then walked in a third of a millisecond.
_MOVES = tuple(
    tuple(next_step(step, inside) for step in range(len(EXPOSURES)))
    for inside in (0.0, EDGES[0] - INSIDE / 2, EDGES[0], EDGES[1] - INSIDE / 2, EDGES[1])
)


def _bands(drawdowns: Vector) -> NDArray[np.int64]:
    """Give the band of each drawdown, 0 to 4."""
    above = [compare(drawdowns, limit) for compare, limit in _BANDS]
    return np.asarray(np.sum(above, axis=0), np.int64)


def climb(closes: Vector) -> Ladder:
    """Give where the last close stands, walking from the first.

    Parameters
    ----------
    closes
        (n,) float64, every visible close, oldest first. The state is a function of them alone: a
        restart, or a replay that starts later, agrees to the bit.

    Raises
    ------
    NoData
        No close, or one that is not a positive finite number.
    """
    _check(closes)
    highs = np.maximum.accumulate(closes)
    drawdowns = 1.0 - closes / highs
    step = before = 0
    for band in _bands(drawdowns).tolist():
        before, step = step, _MOVES[band][step]
    return Ladder(
        high=float(highs[-1]),
        high_at=int(closes.argmax()),
        drawdown=float(drawdowns[-1]),
        worst=float(drawdowns.max()),
        step=step,
        step_before=before,
    )


def _check(closes: Vector) -> None:
    if len(closes) == 0:
        raise NoData("no close is visible", where="risk_drawdown_derisk", remedy="Add bars")
    wrong = np.flatnonzero(~(np.isfinite(closes) & (closes > 0.0)))
    if len(wrong):
        raise NoData(
            f"close {wrong[0]} of {len(closes)} is {float(closes[wrong[0]])!r}, not a price",
            where="risk_drawdown_derisk",
            remedy="Correct or remove this bar",
        )
