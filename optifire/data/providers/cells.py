"""A table file as text: CSV by the standard library, Parquet by duckdb, one set of messages."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optifire.core.errors import ProviderDataError


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

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Give a column as float64, NaN where a cell is empty."""
        values = np.empty(len(self.lines), dtype=np.float64)
        for row, text in enumerate(self.columns[name]):
            try:
                values[row] = float(text) if text else np.nan
            except ValueError as error:
                raise self.wrong(row, name, "is not a number") from error
            if "_" in text:  # Python would read 1_000
                raise self.wrong(row, name, "is not a number")
        return values

    def times(self, name: str) -> pd.DatetimeIndex:
        """Give a column as UTC instants of microseconds."""
        texts = pd.Series(list(self.columns[name]), dtype="object")
        found = pd.DatetimeIndex(
            pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce"), name=name
        ).as_unit("us")
        for row in np.flatnonzero(found.isna()):
            raise self.wrong(
                int(row), name, "is not a time", "Write 2024-01-02 or 2024-01-02T21:00:00Z"
            )
        return found


def cells_of(path: Path, content: bytes) -> Cells:
    """Give the cells of a file by its suffix; raises `ProviderDataError` where it is not one."""
    return parquet_cells(path) if path.suffix == ".parquet" else csv_cells(path, content)


def csv_cells(path: Path, content: bytes) -> Cells:
    """Give the cells of a CSV file in UTF-8, its first row the names of the columns."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ProviderDataError(
            f"byte {error.start} is not UTF-8",
            where=f"{path}, line {line}",
            remedy="Save the file as CSV in UTF-8",
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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


def parquet_cells(path: Path) -> Cells:
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
