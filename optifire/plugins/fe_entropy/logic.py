"""How disordered a series of returns is, by three entropies, each raw and scaled to [0, 1].

Shannon ("A Mathematical Theory of Communication", 1948) over the histogram, permutation entropy
(Bandt and Pompe, Physical Review Letters 88, 2002) over the order of neighbours, sample entropy
(Richman and Moorman, American Journal of Physiology 278, 2000) over repeated patterns.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from optifire.core.errors import NoData

Vector = NDArray[np.float64]

#: Returns a reading is taken over: about one year of sessions.
WINDOW = 252
BINS = 8
#: Order of the permutation patterns.
ORDER = 3
#: Pattern length of sample entropy, and its tolerance in standard deviations.
LENGTH = 2
TOLERANCE = 0.2


def shannon_bits(probabilities: Iterable[float]) -> float:
    """Give the entropy in bits of probabilities that sum to 1; an impossible outcome adds 0."""
    return -sum(p * math.log2(p) for p in probabilities if p > 0.0) + 0.0


def histogram_entropy(values: Vector, bins: int = BINS) -> float:
    """Give the entropy in bits of the shares of ``bins`` equal bins from least to greatest."""
    counts, _ = np.histogram(values, bins=bins)
    return shannon_bits((counts / counts.sum()).tolist())


def permutation_entropy(values: Vector, order: int = ORDER) -> float:
    """Give the entropy in bits of the order patterns; equal values keep their order in time."""
    windows = np.lib.stride_tricks.sliding_window_view(values, order)
    patterns = np.argsort(windows, axis=1, kind="stable")
    codes = patterns @ (order ** np.arange(order))
    _, counts = np.unique(codes, return_counts=True)
    return shannon_bits((counts / counts.sum()).tolist())


def sample_entropy(
    values: Vector, length: int = LENGTH, tolerance: float = TOLERANCE
) -> float | None:
    """Give the sample entropy in nats; None where no pattern repeats, as it is then undefined.

    The negative log of the chance that two stretches that agree for ``length`` points, to within
    ``tolerance`` standard deviations (ddof 1) in each, agree for one point more.
    """
    radius = tolerance * float(np.std(values, ddof=1))
    count = len(values) - length
    distance = np.abs(values[:, None] - values[None, :])
    agree = np.ones((count, count), dtype=bool)
    for lag in range(length):
        agree &= distance[lag : lag + count, lag : lag + count] <= radius
    np.fill_diagonal(agree, val=False)
    short = int(agree.sum())
    long = int((agree & (distance[length:, length:] <= radius)).sum())
    return -math.log(long / short) if long else None


def sample_entropy_ceiling(count: int, length: int = LENGTH) -> float:
    """Give the largest sample entropy, in nats, that ``count`` values can show.

    Only one of all pairs of ``count - length`` stretches goes on agreeing: Richman and Moorman
    give ln(N - m) + ln(N - m - 1) - ln 2.
    """
    stretches = count - length
    return math.log(stretches) + math.log(stretches - 1) - math.log(2.0)


def checked(values: Vector, window: int = WINDOW) -> Vector:
    """Give the last ``window`` returns; NoData when they are too few, not finite or all equal."""
    if len(values) < window:
        raise NoData(
            f"entropy needs {window} returns, {len(values)} are visible",
            where="fe_entropy",
            remedy="Add history or wait for it",
        )
    recent = values[-window:]
    if not np.isfinite(recent).all():
        raise NoData("a return is not a number", where="fe_entropy", remedy="Correct the bars")
    if np.ptp(recent) == 0.0:
        raise NoData("the returns never change", where="fe_entropy", remedy="Check the symbol")
    return recent


def read(values: Vector, window: int = WINDOW) -> dict[str, float | None]:
    """Give all three entropies of the last ``window`` returns, scaled to [0, 1] and raw.

    Parameters
    ----------
    values
        (n,) float64 returns, oldest first; any unit, as none of the results depends on it.
    """
    recent = checked(values, window)
    shannon = histogram_entropy(recent)
    permutation = permutation_entropy(recent)
    sample = sample_entropy(recent)
    return {
        "shannon_entropy": shannon / math.log2(BINS),
        "permutation_entropy": permutation / math.log2(math.factorial(ORDER)),
        "sample_entropy": None if sample is None else sample / sample_entropy_ceiling(window),
        "shannon_bits": shannon,
        "permutation_bits": permutation,
        "sample_nats": sample,
    }
