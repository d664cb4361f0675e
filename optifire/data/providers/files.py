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

import csv
import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from optifire.data.recorded import BAR_COLUMNS, Recorded, SeriesInfo, count_missing, days_of


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


@dataclass(frozen=True, slots=True)
class Cells:
    """A file as text: its columns, and the line (CSV) or row (Parquet) of each cell."""

    path: Path
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    unit: str

    def wrong(self, row: int, column: str, problem: str, remedy: str = "") -> ProviderDataError:
        """Give the error for one cell, with file, line and column."""
        cell = self.columns[column][row] if column in self.columns else ""
        return ProviderDataError(
            f"{column} {cell!r} {problem}",
            where=f"{self.path}, {self.unit} {self.lines[row]}, column {column}",
            remedy=remedy or "Correct or remove that row",
        )


def load(path: Path, schema: Schema, symbol: str, sessions: Sessions) -> Recorded:
    """Load and check one file.

    Raises
    ------
    ProviderDataError
        Naming file, line and column of the first thing that cannot be right.
    """
    try:
        content = path.read_bytes()
        cells = _parquet_cells(path) if path.suffix == ".parquet" else _csv_cells(path, content)
    except OSError as error:
        raise ProviderDataError(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            remedy="Make it readable for the user that runs OptiFIRE",
        ) from error
    _check_header(cells, schema)
    numbers = [name for name in cells.columns if name not in {"ts", schema.stamp}]
    frame = pd.DataFrame({name: _numbers(cells, name) for name in numbers}, dtype="float64")
    stamps = _times(cells, "ts")
    known_at = _times(cells, schema.stamp) if schema.stamp in cells.columns else None
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
    index = pd.DatetimeIndex(frame.index)
    if known_at is None:
        days, rule = days_of(index), KnownRule("session_close")
        known = rule.known(days, sessions, "1d")
        overdue = overdue_by_rule(rule, days, sessions, "1d")
        missing = count_missing(days, sessions)
        return Recorded(info, frame, known, overdue, factor, missing=missing)
    labels, known = index.asi8, known_at.asi8
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
    """Tell the frequency from the usual distance between labels."""
    distinct = np.unique(labels)
    usual = float(np.median(np.diff(distinct))) / DAY_US if len(distinct) > 1 else 1.0
    longest = {"1d": 4.5, "1w": 10.5, "1mo": 45.5, "3mo": float("inf")}
    frequency = next(name for name, days in longest.items() if usual <= days)
    return SeriesInfo(info.key, info.kind, info.provider, info.dataset, frequency)


def _overdue(info: SeriesInfo, labels: Micros, known: Micros, sessions: Sessions) -> Micros:
    if info.frequency != "1d":
        return overdue_by_stamp(known, info.frequency)
    # A correction of an old row does not make the series younger: the latest label counts.
    newest = np.maximum.accumulate(labels) // DAY_US
    return overdue_by_rule(KnownRule("session_close"), newest, sessions, "1d")


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


def _csv_cells(path: Path, content: bytes) -> Cells:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ProviderDataError(
            f"byte {error.start} is not UTF-8",
            where=f"{path}, line {line}",
            remedy="Save the file as CSV in UTF-8",
        ) from error
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ProviderDataError(
            f"this is not CSV: {error}",
            where=f"{path}, line {reader.line_num}",
            remedy="Correct the quotes of that line",
        ) from error
    _check_shape(path, header, rows, lines)
    columns = {name: [row[at].strip() for row in rows] for at, name in enumerate(header)}
    return Cells(path, columns, lines, "line")


def _check_shape(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int]
) -> None:
    if len(set(header)) < len(header):
        raise ProviderDataError(
            f"a column comes twice in {','.join(header)!r}",
            where=f"{path}, line 1",
            remedy="Remove one of them",
        )
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise ProviderDataError(
                f"{len(row)} cells under {len(header)} columns",
                where=f"{path}, line {line}",
                remedy="Give each row one cell for each column",
            )


def _parquet_cells(path: Path) -> Cells:
    """Read through text, so that both formats obey one set of rules and messages."""
    try:
        import duckdb
    except ImportError as error:
        raise ProviderDataError(
            "Parquet files are read by duckdb, which is not installed",
            where=str(path),
            remedy="Install optifire[library], or write the file as CSV",
        ) from error
    # One thread: a process that forks must not have others. No extension may be fetched.
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",
        "autoinstall_known_extensions": "false",
        "TimeZone": "UTC",
    }
    try:
        with duckdb.connect(":memory:", config=config) as connection:
            found = connection.execute(
                "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet(?)", [str(path)]
            )
            names = [str(column[0]) for column in found.description or ()]
            rows = found.fetchall()
    except duckdb.Error as error:
        raise ProviderDataError(
            f"this is not a Parquet file that can be read: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="Write it again, or as CSV",
        ) from error
    columns = {name: [row[at] or "" for row in rows] for at, name in enumerate(names)}
    return Cells(path, columns, range(1, len(rows) + 1), "row")


def _numbers(cells: Cells, name: str) -> NDArray[np.float64]:
    """Give a column as float64, NaN where a cell is empty."""
    values = np.empty(len(cells.lines), dtype=np.float64)
    for row, text in enumerate(cells.columns[name]):
        try:
            values[row] = float(text) if text else np.nan
        except ValueError as error:
            raise cells.wrong(row, name, "is not a number") from error
        if "_" in text:  # Python would read 1_000
            raise cells.wrong(row, name, "is not a number")
    return values


def _times(cells: Cells, name: str) -> pd.DatetimeIndex:
    """Give a column as UTC instants of microseconds."""
    texts = pd.Series(list(cells.columns[name]), dtype="object")
    times = pd.DatetimeIndex(
        pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce"), name=name
    ).as_unit("us")
    for row in np.flatnonzero(times.isna()):
        raise cells.wrong(
            int(row), name, "is not a time", "Write 2024-01-02 or 2024-01-02T21:00:00Z"
        )
    return times
