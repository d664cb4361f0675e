"""A batch as it was when it was handed over, in the shape that statements take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optifire.core.ledger import Batch, ContextValue, EventRow, TableWrites
from optifire.core.types import Encoded
from optifire.store import rows
from optifire.store.codec import to_us
from optifire.store.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Packed:
    """Rows ready to be written; frozen ones that need a file first are kept as they are."""

    runs: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    large: list[tuple[str, str, Encoded]] = field(default_factory=list)
    writes: list[TableWrites] = field(default_factory=list)
    values: list[ContextValue] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    logs: list[Row] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)
    configs: list[Row] = field(default_factory=list)
    meta: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Packed) -> None:
        """Take over the rows of another, after one's own."""
        self.runs += other.runs
        self.attempts += other.attempts
        self.large += other.large
        self.writes += other.writes
        self.values += other.values
        self.events += other.events
        self.notes += other.notes
        self.logs += other.logs
        self.taken += other.taken
        self.configs += other.configs
        self.meta += other.meta


def pack(batch: Batch) -> Packed:
    """Copy a batch: run and attempt rows go on changing after they were handed over."""
    return Packed(
        runs=[rows.encode_run(run) for run in batch.runs],
        attempts=[rows.encode_attempt(attempt) for attempt in batch.attempts],
        large=[entry for run in batch.runs if run.outputs for entry in rows.large_outputs(run)],
        writes=[entry for entry in batch.writes if entry.statements],
        values=list(batch.values),
        events=list(batch.events),
        notes=rows.encode_notes(batch.notes),
        logs=rows.encode_logs(batch.logs),
        taken=[(to_us(due), turn) for due, turn in batch.events_taken],
        configs=rows.encode_configs(batch.configs),
        meta=list(batch.meta.items()),
    )


def join(parts: Sequence[Packed]) -> Packed:
    """Give several as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    whole = Packed()
    for part in parts:
        whole.add(part)
    return whole
