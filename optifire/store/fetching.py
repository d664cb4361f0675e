"""Reading rows whose large values live in files; the same for writer and readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from optifire.core.types import Encoded, RunId
from optifire.store import rows

if TYPE_CHECKING:
    from optifire.core.ledger import ContextValue, EventRow, RunRow
    from optifire.store.rows import Row

#: Gives a large value by its hash.
ReadBlob = Callable[[str], Encoded]


def values_from(found: Iterable[Row], read: ReadBlob) -> list[ContextValue]:
    """Make context values; the last two columns are the value and its blob."""
    return [rows.decode_value(row, _stored(row[6], row[7], read)) for row in found]


def events_from(
    found: Iterable[Row], run_id_of: Callable[[Row], RunId], read: ReadBlob
) -> list[EventRow]:
    """Make events; ``run_id_of`` tells from a row whose it is."""
    return [rows.decode_event(run_id_of(row), row, _stored(row[5], row[6], read)) for row in found]


def runs_from(found: Sequence[Row], large: Iterable[Row], read: ReadBlob) -> list[RunRow]:
    """Make runs of their rows and those of `run_blobs`."""
    files: dict[int, dict[str, Encoded]] = {}
    for run, name, blob in large:
        files.setdefault(run, {})[name] = read(blob)
    return [rows.decode_run(row, files.get(row[rows.ID], {})) for row in found]


def _stored(value: bytes | None, blob: str | None, read: ReadBlob) -> Encoded:
    return read(blob) if blob is not None else Encoded(value or b"")
