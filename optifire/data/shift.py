"""Recorded data changed after an instant, for this whole process: what a look-ahead check plays on.

Whoever asks point in time cannot tell; what does change before that instant has looked ahead.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from optifire.data.recorded import Recorded

#: What is done to every number that becomes known after the instant.
FACTOR: Final = 1.5
SUMMAND: Final = 1.0

_after: list[int] = []


def shift_after(instant: int) -> None:
    """Change all data loaded from now on that becomes known after an instant (microseconds)."""
    _after[:] = [instant]


def shifted(series: Recorded) -> Recorded:
    """Give a series as this process is to see it: changed after the instant, if one was set."""
    if not _after:
        return series
    frame = series.frame.copy()
    later = series.known > _after[0]
    values = frame.to_numpy(copy=True)
    values[later] = values[later] * FACTOR + SUMMAND
    frame.loc[:, :] = values
    factor = series.factor
    if factor is not None:
        factor = np.where(later, factor * FACTOR, factor)
    return replace(series, frame=frame, factor=factor)
