"""One recorded series in memory, and what of it could be seen at an instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optifire.data.known import DAY_US, Days, Micros

BAR_COLUMNS: Final = ("open", "high", "low", "close", "volume")
PRICE_COLUMNS: Final = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What a series is and where it came from.

    Attributes
    ----------
    key, kind
        Its name, and ``bars`` or ``macro``.
    provider, dataset
        Who gave it (``builtin``, ``file``) and the SHA-256 of the bytes it was read from.
    frequency
        ``1d``, ``1w``, ``1mo`` or ``3mo``.
    adjusted
        True when its prices are adjusted at the source, as of the day it was taken.
    derived
        True when it was computed from another series.
    unit, note
        For people.
    """

    key: str
    kind: str
    provider: str
    dataset: str
    frequency: str = "1d"
    adjusted: bool = False
    derived: bool = False
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A loaded series: rows in the order in which they became known.

    Attributes
    ----------
    frame
        ``bars``: open, high, low, close, volume; ``macro``: value. float64; the index, ``ts``, is
        UTC: a day, week (its Monday) or month (its first day) at midnight. Never changed.
    known
        Microseconds from which each row is known, never decreasing.
    overdue
        Microseconds from which the series has ended if that row is still the latest known.
    factor
        Split and dividend factor of each row (adjusted close / close), None without one.
    corrected
        True when a row may replace an earlier one with the same label.
    missing
        Sessions without a row before each row, counted from the first; None where none is owed.
    """

    info: SeriesInfo
    frame: pd.DataFrame
    known: Micros
    overdue: Micros
    factor: NDArray[np.float64] | None = None
    corrected: bool = False
    missing: Days | None = None
    labels: Micros = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", labels_of(self.frame.index))

    def seen(self, asof: int) -> int:
        """Give how many rows were known at an instant (microseconds)."""
        return int(self.known.searchsorted(asof, side="right"))

    def is_overdue(self, seen: int, asof: int) -> bool:
        """Tell whether the series had ended for somebody who has seen that many rows."""
        return bool(self.overdue[seen - 1] <= asof)

    def last_label(self, seen: int) -> int:
        """Give the latest label among the rows seen, in microseconds."""
        labels = self.labels
        return int(labels[:seen].max() if self.corrected else labels[seen - 1])

    def rows(self, seen: int, limit: int | None, *, adjust: bool) -> pd.DataFrame:
        """Give the last `limit` of the rows seen, oldest first, each label once.

        With `adjust`, prices before a split or dividend are put into the units of the last row, so
        only what was known by then takes part.
        """
        picked = self._picked(seen, limit)
        if not adjust or self.factor is None:
            return self.frame.iloc[picked]
        factor = self.factor[picked]
        values = self.frame.to_numpy()[picked].copy()
        values[:, : len(PRICE_COLUMNS)] *= (factor / factor[-1])[:, np.newaxis]
        index = self.frame.index[picked]
        return pd.DataFrame(values, index=index, columns=self.frame.columns)

    def values(self, seen: int, limit: int | None) -> pd.Series:
        """Give the one number of each row: the close (adjusted as in `rows`) or the macro value."""
        column = "value" if self.info.kind == "macro" else "close"
        if self.factor is not None:
            return self.rows(seen, limit, adjust=True)[column]
        values: pd.Series = self.frame[column].iloc[self._picked(seen, limit)]
        return values

    def as_seen(self, seen: int) -> "Recorded":
        """Give the rows seen alone, oldest first and each label once: a series never corrected."""
        picked = np.arange(len(self.labels), dtype=np.intp)[self._picked(seen, None)]
        return replace(
            self,
            frame=self.frame.iloc[picked],
            known=np.maximum.accumulate(self.known[picked]),
            overdue=self.overdue[picked],
            factor=None if self.factor is None else self.factor[picked],
            corrected=False,
            missing=None,
        )

    def _picked(self, seen: int, limit: int | None) -> slice | NDArray[np.intp]:
        """Give the positions of the last `limit` labels seen, each in its latest version."""
        if not self.corrected:
            return slice(0 if limit is None else max(0, seen - limit), seen)
        labels = self.labels[:seen]
        order = np.argsort(labels, kind="stable")
        ordered = labels[order]
        latest: NDArray[np.intp] = order[np.append(ordered[1:] != ordered[:-1], [True])]
        return latest if limit is None else latest[-limit:]

    def gaps(self, seen: int, length: int) -> int | None:
        """Give how many sessions are missing inside the last `length` of the rows seen."""
        if self.missing is None:
            return None
        return int(self.missing[seen - 1] - self.missing[seen - length])


def labels_of(index: pd.Index) -> Micros:
    """Give the labels of an index ``datetime64[us, UTC]``, which all series have, as int64."""
    # A cast, because building a DatetimeIndex again costs more than the rest of an answer.
    return cast("pd.DatetimeIndex", index).asi8


def days_of(index: pd.Index) -> Days:
    """Give the UTC date of each label as days since the epoch."""
    return labels_of(index) // DAY_US


def side_by_side(parts: Mapping[str, pd.Series], limit: int | None) -> pd.DataFrame:
    """Give the last rows of several series as columns of one frame, NaN where one has no row.

    All labels are ascending; `limit` counts rows of the frame, None gives all.
    """
    labels = {key: labels_of(part.index) for key, part in parts.items()}
    union = np.unique(np.concatenate(list(labels.values())))
    if limit is not None:
        union = union[-limit:]
    table = np.full((len(union), len(parts)), np.nan)
    for column, (key, part) in enumerate(parts.items()):
        first = int(labels[key].searchsorted(union[0]))
        table[union.searchsorted(labels[key][first:]), column] = part.to_numpy()[first:]
    index = pd.DatetimeIndex(union.view("datetime64[us]"), tz="UTC", name="ts")
    return pd.DataFrame(table, index=index, columns=list(parts))
