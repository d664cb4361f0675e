"""A batch as it was when it was handed over, in the shape that statements take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optifire.core.ledger import Batch, ContextValue, EventRow, LogRow, SharedRow, TableWrites
from optifire.core.types import Encoded, RunId
from optifire.store import rows
from optifire.store.codec import to_us
from optifire.store.rows import Row


@dataclass(slots=True)
class Packed:
    """Rows ready to be written; frozen ones that need a file first are kept as they are.

    ``runs`` and ``attempts`` come with the id of their run; what is empty is one shared tuple,
    because most batches hold a run and nothing else.
    """

    runs: Sequence[tuple[RunId, Row]] = ()
    attempts: Sequence[tuple[RunId, Row]] = ()
    large: Sequence[tuple[RunId, str, Encoded]] = ()
    writes: Sequence[TableWrites] = ()
    values: Sequence[ContextValue] = ()
    events: Sequence[EventRow] = ()
    logs: Sequence[LogRow] = ()
    notes: Sequence[Row] = ()
    taken: Sequence[tuple[int, int]] = ()
    configs: Sequence[Row] = ()
    meta: Sequence[tuple[str, str]] = ()
    pruned: Sequence[RunId] = ()
    pruned_rows: Sequence[SharedRow] = ()

    def changes_tables(self) -> bool:
        """Tell whether a point in time that is not held yet would see something else after it."""
        return bool(self.writes or self.pruned_rows)

    @property
    def size(self) -> int:
        """How many rows it puts into the largest tables or takes from them."""
        return len(self.runs) + len(self.pruned) + len(self.pruned_rows)

    def is_plain(self) -> bool:
        """Tell whether there is nothing but runs whose values are all small."""
        return not (
            self.attempts
            or self.large
            or self.writes
            or self.values
            or self.events
            or self.logs
            or self.notes
            or self.taken
            or self.configs
            or self.meta
            or self.pruned
            or self.pruned_rows
        )


def pack(batch: Batch) -> Packed:
    """Copy a batch: run and attempt rows go on changing after they were handed over."""
    packed = Packed()
    if batch.runs:
        packed.runs = [(run.run_id, rows.encode_run(run)) for run in batch.runs]
        packed.large = [entry for run in batch.runs for entry in rows.large_outputs(run)]
    if batch.attempts:
        packed.attempts = [(entry.run_id, rows.encode_attempt(entry)) for entry in batch.attempts]
    if batch.writes:
        packed.writes = [entry for entry in batch.writes if entry.statements]
    packed.values = tuple(batch.values)
    packed.events = tuple(batch.events)
    packed.logs = tuple(batch.logs)
    if batch.notes:
        packed.notes = rows.encode_notes(batch.notes)
    if batch.events_taken:
        packed.taken = [(to_us(due), turn) for due, turn in batch.events_taken]
    if batch.configs:
        packed.configs = rows.encode_configs(batch.configs)
    if batch.meta:
        packed.meta = tuple(batch.meta.items())
    packed.pruned = tuple(batch.pruned)
    packed.pruned_rows = tuple(batch.pruned_rows)
    return packed


def join(parts: Sequence[Packed]) -> Packed:
    """Give several as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    rest = [part for part in parts if not part.is_plain()]
    return Packed(
        runs=[row for part in parts for row in part.runs],
        attempts=[row for part in rest for row in part.attempts],
        large=[row for part in rest for row in part.large],
        writes=[row for part in rest for row in part.writes],
        values=[row for part in rest for row in part.values],
        events=[row for part in rest for row in part.events],
        logs=[row for part in rest for row in part.logs],
        notes=[row for part in rest for row in part.notes],
        taken=[row for part in rest for row in part.taken],
        configs=[row for part in rest for row in part.configs],
        meta=[row for part in rest for row in part.meta],
        pruned=[row for part in rest for row in part.pruned],
        pruned_rows=[row for part in rest for row in part.pruned_rows],
    )
