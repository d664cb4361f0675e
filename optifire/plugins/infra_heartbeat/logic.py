"""How suspicious a silence is: the phi accrual failure detector.

Hayashibara, Défago, Yared and Katayama, "The phi Accrual Failure Detector", 23rd IEEE Symposium on
Reliable Distributed Systems, 2004: phi is minus the decimal log of the chance that a beat comes
even later than this, if intervals are normal. Phi 1 is wrong one time in ten, phi 8 one in 10^8.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, stdev

#: Intervals the estimate looks back on, and how few are too few for one.
WINDOW, MIN_INTERVALS = 120, 5
#: Least standard deviation in seconds: starting a worker on a busy machine varies by this much.
MIN_SD = 1.0
#: An interval over this many medians was a silence itself, and says nothing about normal jitter.
SILENCE = 10.0
#: Phi from which a beat counts as late.
THRESHOLD = 8.0
#: From here on the normal tail is below what a float can hold, and its series is exact to 1e-9.
_TAIL = 36.0


@dataclass(frozen=True, slots=True)
class Beat:
    """The interval that has just ended: seconds, what was normal before it, and its suspicion.

    All but ``beats`` are None until there are enough earlier intervals.
    """

    beats: int
    interval: float | None
    mean: float | None
    sd: float | None
    phi: float | None

    @property
    def late(self) -> bool:
        """Tell whether the beat was later than chance explains."""
        return self.phi is not None and self.phi >= THRESHOLD


def phi(elapsed: float, mean: float, sd: float) -> float:
    """Give the suspicion after ``elapsed`` seconds of silence, 0 or more; ``sd`` above 0."""
    z = (elapsed - mean) / sd
    if z < _TAIL:
        return -math.log10(0.5 * math.erfc(z / math.sqrt(2.0))) + 0.0
    series = 1.0 - 1.0 / z**2 + 3.0 / z**4
    log = -0.5 * z * z - math.log(z * math.sqrt(2.0 * math.pi)) + math.log(series)
    return -log / math.log(10.0)


def read(instants: Sequence[float]) -> Beat:
    """Give the state of the last beat.

    Parameters
    ----------
    instants
        Beats in seconds of a clock that never jumps, ascending, the present one last.
    """
    intervals = [later - earlier for earlier, later in pairwise(instants)]
    last = intervals[-1] if intervals else None
    usual = _usual(intervals[:-1][-WINDOW:])
    if last is None or len(usual) < MIN_INTERVALS:
        return Beat(len(instants), last, None, None, None)
    mean, sd = fmean(usual), max(stdev(usual), MIN_SD)
    return Beat(len(instants), last, mean, sd, phi(last, mean, sd))


def _usual(intervals: Sequence[float]) -> list[float]:
    if not intervals:
        return []
    limit = SILENCE * median(intervals)
    return [interval for interval in intervals if interval <= limit]
