"""What a table of bars or values must satisfy, and where it does not, row by row.

A check gives findings and reads nothing; the file provider turns the first ones into an error
with the line. Sessions that are missing are no error: `missing_before` counts them, and every
answer of the feed says how many it lacks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optifire.data.known import DAY_US, Days, Sessions
from optifire.data.recorded import BAR_COLUMNS, days_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that cannot be right: its position from 0, the column, and what is wrong."""

    row: int
    column: str
    problem: str


def _found(bad: NDArray[np.bool_], column: str, problem: str) -> Iterator[Finding]:
    for row in np.flatnonzero(bad):
        yield Finding(int(row), column, problem)


def check_labels(stamps: pd.DatetimeIndex, *, corrections: bool) -> Iterator[Finding]:
    """Find labels that repeat or go back; with `corrections` a label may come again later."""
    values = stamps.asi8
    back = np.zeros(len(values), dtype=np.bool_)
    if not corrections:
        back[1:] = values[1:] < values[:-1]
        yield from _found(back, "ts", "is earlier than the row before")
        same = np.zeros(len(values), dtype=np.bool_)
        same[1:] = values[1:] == values[:-1]
        yield from _found(same, "ts", "repeats the row before")


def check_known_at(
    stamps: pd.DatetimeIndex, known_at: pd.DatetimeIndex, column: str
) -> Iterator[Finding]:
    """Find rows known before the time they are about, or corrected twice at one instant."""
    known, labels = known_at.asi8, stamps.asi8
    yield from _found(known < labels, column, "lies before ts")
    twice = pd.MultiIndex.from_arrays([labels, known]).duplicated()
    yield from _found(np.asarray(twice, dtype=np.bool_), column, "repeats ts and instant of a row")


def check_sessions(stamps: pd.DatetimeIndex, sessions: Sessions) -> Iterator[Finding]:
    """Find daily labels with a time of day, or on days that have no session."""
    timed = stamps.asi8 % DAY_US != 0
    yield from _found(timed, "ts", "has a time of day, and the file has no known_at")
    days = days_of(stamps)
    inside = (days >= sessions.days[0]) & (days <= sessions.days[-1])
    closed = inside & ~sessions.hold(days) & ~timed
    yield from _found(closed, "ts", "is not a session of the exchange, and there is no known_at")


def check_finite(frame: pd.DataFrame, required: str) -> Iterator[Finding]:
    """Find infinities, and rows without the one number that each row must have."""
    for column in frame.columns:
        infinite = np.isinf(frame[column].to_numpy())
        yield from _found(infinite, str(column), "is infinite")
    yield from _found(np.isnan(frame[required].to_numpy()), required, "is empty")


def check_bars(frame: pd.DataFrame) -> Iterator[Finding]:
    """Find prices that are not positive, ranges that do not hold open and close, lost volume.

    An empty open, high, low or volume is allowed (close-only data) and takes part in no check.
    """
    values = {name: frame[name].to_numpy() for name in BAR_COLUMNS}
    yield from check_finite(frame, "close")
    if "adj_close" in frame:
        values["adj_close"] = frame["adj_close"].to_numpy()
        yield from _found(np.isnan(values["adj_close"]), "adj_close", "is empty")
    for name in (name for name in values if name != "volume"):
        yield from _found(values[name] <= 0, name, "is not positive")
    yield from _found(values["volume"] < 0, "volume", "is negative")
    for name in ("open", "low", "close"):
        yield from _found(values["high"] < values[name], "high", f"is below the {name}")
    for name in ("open", "close"):
        yield from _found(values["low"] > values[name], "low", f"is above the {name}")


def missing_before(days: Days, sessions: Sessions) -> Days:
    """Give for each day (ascending) how many sessions since the first day have no row."""
    position = np.searchsorted(sessions.days, days, side="left").astype(np.int64)
    since_first: Days = position - position[0] - np.arange(len(days))
    return since_first
