"""The built-in data set: what MANIFEST.json lists, read from the package."""

import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pandas as pd

from optifire.core.errors import ConfigError
from optifire.data import quality
from optifire.data.known import KnownRule, Sessions, overdue_by_rule
from optifire.data.recorded import (
    BAR_COLUMNS,
    Recorded,
    SeriesInfo,
    days_of,
)

FOLDER: Final = Path(__file__).resolve().parent.parent / "builtin"


@dataclass(frozen=True, slots=True)
class Entry:
    """One series of the manifest, not loaded yet."""

    info: SeriesInfo
    file: str
    columns: Mapping[str, str]
    known: KnownRule
    rows: int
    first: str
    last: str


def _entry(raw: Mapping[str, Any], files: Mapping[str, Any]) -> Entry:
    info = SeriesInfo(
        key=raw["key"],
        kind=raw["kind"],
        provider="builtin",
        dataset=files[raw["file"]]["sha256"],
        frequency=raw["frequency"],
        adjusted=raw["adjusted"],
        derived=raw["derived"],
        unit=raw["unit"],
        note=raw["note"],
    )
    known = KnownRule(raw["known"]["rule"], raw["known"].get("days", 0))
    return Entry(info, raw["file"], raw["columns"], known, raw["rows"], raw["first"], raw["last"])


@cache
def catalog() -> Mapping[str, Sequence[Entry]]:
    """Give the entries of the manifest by key, in order of preference."""
    path = FOLDER / "MANIFEST.json"
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the list of the built-in data cannot be read: {error}",
            where=str(path),
            remedy="Install OptiFIRE again",
        ) from error
    entries: dict[str, list[Entry]] = {}
    for raw in manifest["series"]:
        entry = _entry(raw, manifest["files"])
        entries.setdefault(entry.info.key, []).append(entry)
    return entries


@cache
def _table(file: str, sha256: str) -> pd.DataFrame:
    """Give one file as a frame with a UTC index, read once a process."""
    path = FOLDER / file
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ConfigError(
            "this file of the built-in data is missing or was changed",
            where=str(path),
            remedy="Install OptiFIRE again, or put your own series into data/ of the home",
        )
    text = io.BytesIO(gzip.decompress(content))
    table = pd.read_csv(text, index_col="date")
    table.index = pd.to_datetime(table.index, format="%Y-%m-%d", utc=True).as_unit("us")
    table.index.name = "ts"
    return table.astype("float64")


def load(entry: Entry, sessions: Sessions) -> Recorded:
    """Load one series; raises `ConfigError` when its file is not the one of the manifest."""
    table = _table(entry.file, entry.info.dataset)
    frame = pd.DataFrame({name: table[column] for name, column in entry.columns.items()})
    frame = frame.dropna(subset=["close" if entry.info.kind == "bars" else "value"])
    factor = None
    if "adj_close" in frame:
        factor = (frame["adj_close"] / frame["close"]).to_numpy(copy=True)
    if entry.info.kind == "bars":
        frame = frame.reindex(columns=list(BAR_COLUMNS))
    days, frequency = days_of(frame.index), entry.info.frequency
    return Recorded(
        entry.info,
        frame,
        entry.known.known(days, sessions, frequency),
        overdue_by_rule(entry.known, days, sessions, frequency),
        factor,
        missing=quality.missing_before(days, sessions)
        if entry.known.rule == "session_close"
        else None,
    )
