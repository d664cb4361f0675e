"""The user's own series: ``data/<kind>/<symbol>.csv`` or ``.parquet`` in the home, by schema.

==========  ==============================================================  =====================
kind        columns (brackets: may be left out)                             known
==========  ==============================================================  =====================
``bars``    ts, open, high, low, close, volume [, adj_close] [, known_at]   close of ts' session
``macro``   ts, value, published_at                                         published_at
==========  ==============================================================  =====================

Times are ISO 8601, UTC where they name no zone. A cell may be empty where a value is not known
(not ``ts``, ``close``, ``value``, ``published_at``). A label may come again with a later
``known_at`` or ``published_at``: from then on the correction holds. Other columns are refused,
because a misspelt ``known_at`` would let a replay see the future.
"""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from optifire.core.errors import ProviderDataError
from optifire.data import quality
from optifire.data.known import (
    DAY_US,
    KnownRule,
    Micros,
    Sessions,
    overdue_by_rule,
    overdue_by_stamp,
)
from optifire.data.providers.cells import Cells, cells_of
from optifire.data.recorded import BAR_COLUMNS, Recorded, SeriesInfo, days_of, labels_of


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one kind of file; `stamp` is the one that says when a row is known."""

    kind: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    stamp: str

    @property
    def text(self) -> str:
        """Give the header as a person would write it."""
        return ",".join(self.required) + "".join(f"[,{name}]" for name in self.optional)


SCHEMAS: Final[Mapping[str, Schema]] = {
    "bars": Schema("bars", ("ts", *BAR_COLUMNS), ("adj_close", "known_at"), "known_at"),
    "macro": Schema("macro", ("ts", "value", "published_at"), (), "published_at"),
}


def load(path: Path, schema: Schema, symbol: str, sessions: Sessions) -> Recorded:
    """Load and check one file.

    Raises
    ------
    ProviderDataError
        Naming file, line and column of the first thing that cannot be right.
    """
    try:
        content = path.read_bytes()
        cells = cells_of(path, content)
    except OSError as error:
        raise ProviderDataError(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            remedy="Make it readable for the user that runs OptiFIRE",
        ) from error
    _check_header(cells, schema)
    numbers = [name for name in cells.columns if name not in {"ts", schema.stamp}]
    frame = pd.DataFrame({name: cells.numbers(name) for name in numbers}, dtype="float64")
    stamps = cells.times("ts")
    known_at = cells.times(schema.stamp) if schema.stamp in cells.columns else None
    for finding in _findings(frame, stamps, known_at, schema, sessions):
        raise cells.wrong(finding.row, finding.column, finding.problem)
    frame.index = stamps
    info = SeriesInfo(symbol, schema.kind, "file", hashlib.sha256(content).hexdigest())
    return _recorded(info, frame, known_at, sessions)


def _findings(
    frame: pd.DataFrame,
    stamps: pd.DatetimeIndex,
    known_at: pd.DatetimeIndex | None,
    schema: Schema,
    sessions: Sessions,
) -> Iterator[quality.Finding]:
    yield from quality.check_labels(stamps, corrections=known_at is not None)
    if known_at is None:
        yield from quality.check_sessions(stamps, sessions)
    else:
        yield from quality.check_known_at(stamps, known_at, schema.stamp)
    if schema.kind == "bars":
        yield from quality.check_bars(frame)
    else:
        yield from quality.check_finite(frame, "value")


def _recorded(
    info: SeriesInfo,
    frame: pd.DataFrame,
    known_at: pd.DatetimeIndex | None,
    sessions: Sessions,
) -> Recorded:
    """Put the rows in the order in which they became known."""
    factor = (frame["adj_close"] / frame["close"]).to_numpy() if "adj_close" in frame else None
    if info.kind == "bars":
        frame = frame[list(BAR_COLUMNS)]
    index = frame.index
    if known_at is None:
        days, rule = days_of(index), KnownRule("session_close")
        known = rule.known(days, sessions, "1d")
        overdue = overdue_by_rule(rule, days, sessions, "1d")
        missing = quality.missing_before(days, sessions)
        return Recorded(info, frame, known, overdue, factor, missing=missing)
    labels, known = labels_of(index), known_at.asi8
    order = np.lexsort((labels, known))
    steady = bool((np.diff(labels[order]) > 0).all())
    info = _with_frequency(info, labels)
    return Recorded(
        info,
        frame.iloc[order],
        known[order],
        _overdue(info, labels[order], known[order], sessions),
        None if factor is None else factor[order],
        corrected=not steady,
    )


def _with_frequency(info: SeriesInfo, labels: Micros) -> SeriesInfo:
    """Tell the frequency from the usual distance between labels, a fact of the file as a whole.

    One label alone has none: bars are then taken for daily, macro values for monthly.
    """
    distinct = np.unique(labels)
    lone = 1.0 if info.kind == "bars" else 31.0
    usual = float(np.median(np.diff(distinct))) / DAY_US if len(distinct) > 1 else lone
    longest = {"1d": 4.5, "1w": 10.5, "1mo": 45.5, "3mo": float("inf")}
    frequency = next(name for name, days in longest.items() if usual <= days)
    return replace(info, frequency=frequency)


def _overdue(info: SeriesInfo, labels: Micros, known: Micros, sessions: Sessions) -> Micros:
    """Give the instants from which each row's series is overdue, counted from when it was known.

    A correction of an old row does not make a series younger: what counts is when its newest label
    first appeared.
    """
    newest = np.maximum.accumulate(labels)
    first_of = np.flatnonzero(np.append([True], newest[1:] > newest[:-1]))
    appeared = known[first_of].repeat(np.diff(first_of, append=len(known)))
    if info.frequency != "1d":
        return overdue_by_stamp(appeared, info.frequency)
    return overdue_by_rule(KnownRule("session_close"), appeared // DAY_US, sessions, "1d")


def _check_header(cells: Cells, schema: Schema) -> None:
    allowed = (*schema.required, *schema.optional)
    remedy = f"A {schema.kind} file has the columns {schema.text}"
    for name in cells.columns:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ProviderDataError(
                f"unknown column {name!r}{hint}", where=str(cells.path), remedy=remedy
            )
    for name in schema.required:
        if name not in cells.columns:
            raise ProviderDataError(
                f"the column {name!r} is missing", where=str(cells.path), remedy=remedy
            )
    if not cells.lines:
        raise ProviderDataError(
            "the file has no rows", where=str(cells.path), remedy="Fill or remove it"
        )
