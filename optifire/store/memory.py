"""A ledger in memory, for the test kit and for replays that keep no file.

Rows are kept as they are; plugins' tables live in an in-memory SQLite database, so that the same
SQL is allowed and refused as in a file.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from optifire.core.errors import StoreError
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ConfigVersion,
    ContextValue,
    EventRow,
    Limits,
    LogRow,
    NoteRow,
    Recovered,
    Rejected,
    Rollup,
    RunFilter,
    RunRecord,
    RunRow,
    Statement,
)
from optifire.core.run import TERMINAL, RunKey
from optifire.core.types import RunId
from optifire.store.memory_rollups import add_run, beyond, matching
from optifire.store.memory_state import WHERE, State, apply, check, cursors, order
from optifire.store.memory_tables import MemorySnapshot, MemoryTables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

_Row = TypeVar("_Row", AttemptRow, EventRow, LogRow)


class MemoryStore:
    """The `Store` without a file; what it holds lasts as long as the object."""

    def __init__(self) -> None:
        self._state = State()
        self._tables = MemoryTables()
        self._is_open = False
        self.ledger = MemoryLedger(self._state)

    async def open(self) -> Recovered:
        """Begin a new start number."""
        if self._is_open:
            raise StoreError("the ledger is open already", where=WHERE)
        self._is_open = True
        state = self._state
        clean, state.clean = state.clean, False
        state.start += 1
        return Recovered(
            start=state.start,
            clean=clean,
            values=_by_name(state.values),
            open_runs=[
                replace(run)
                for run in sorted(state.runs.values(), key=order)
                if run.status not in TERMINAL
            ],
            cursors=cursors(state),
            waiting_events=[
                event
                for moment in sorted(state.waiting)
                for event in sorted(
                    state.waiting[moment],
                    key=lambda event: (*order(state.runs[event.run_id])[1:3], event.seq),
                )
            ],
        )

    async def commit(self, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:  # noqa: ARG002
        """Apply all of a batch; a run whose table writes fail is stored ``failed``."""
        self._check_open()
        check(self._state, batch)
        failures = self._tables.apply(batch.writes)
        apply(self._state, batch, failures)
        self._tables.prune(batch.pruned_rows)
        return [
            Rejected(writes.run_id, failures[writes.run_id])
            for writes in batch.writes
            if writes.run_id in failures
        ]

    async def snapshot(self) -> MemorySnapshot:
        """Hold the tables as they are after every commit so far."""
        self._check_open()
        return self._tables.snapshot()

    async def close(self, *, clean: bool = True) -> None:
        """End this start; what was committed stays."""
        if self._is_open:
            self._is_open = False
            self._state.clean = clean

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError("the ledger is closed", where=WHERE, remedy="Open the store first")


def _by_name(values: Mapping[str, ContextValue]) -> list[ContextValue]:
    return [values[name] for name in sorted(values)]


class MemoryLedger:
    """The `Ledger` of a `MemoryStore`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def runs(self, which: RunFilter) -> Sequence[RunRow]:
        """List runs, newest due first."""
        found = [replace(run) for run in self._state.runs.values() if _matches(run, which)]
        found.sort(key=lambda run: (run.key.plugin_id, run.key.kind.value))
        found.sort(key=attrgetter("key.due", "key.turn"), reverse=True)
        return found[: which.limit]

    async def run(self, run_id: str) -> RunRow | None:
        """Give one run."""
        found = self._state.runs.get(RunId(run_id))
        return None if found is None else replace(found)

    async def attempts(self, run_id: str) -> Sequence[AttemptRow]:
        """Give the attempts of one run, oldest first."""
        return [replace(row) for row in _of(self._state.attempts, run_id)]

    async def events(self, run_id: str) -> Sequence[EventRow]:
        """Give the events that one run published."""
        return _of(self._state.events, run_id)

    async def log(self, run_id: str) -> Sequence[LogRow]:
        """Give what the attempts of one run printed."""
        return _of(self._state.logs, run_id)

    async def notes(
        self, *, kind: str | None = None, since: datetime | None = None
    ) -> Sequence[NoteRow]:
        """List notes, newest first."""
        found = [
            note
            for note in reversed(self._state.notes)
            if (kind is None or note.kind == kind) and (since is None or note.at >= since)
        ]
        return sorted(found, key=lambda note: note.at, reverse=True)

    async def context(self) -> Sequence[ContextValue]:
        """Give the last committed shared context, by name."""
        return _by_name(self._state.values)

    async def writes(self, run_id: str) -> Sequence[Statement]:
        """Give the table writes that one run made."""
        return self._state.writes.get(RunId(run_id), ())

    async def records(self) -> AsyncIterator[RunRecord]:
        """Go through all runs with what they left, by (due, turn, plugin id, kind)."""
        state = self._state
        for run in sorted(state.runs.values(), key=order):
            events = _of(state.events, run.run_id)
            yield RunRecord(replace(run), events, state.writes.get(run.run_id, ()))

    async def statuses(self) -> Mapping[str, Mapping[str, int]]:
        """Count occurrences: plugin id -> status -> how many."""
        counted: dict[str, dict[str, int]] = {}
        state = self._state
        ends = [(run.key.plugin_id, run.status, run.count) for run in state.runs.values()]
        ends += [(each.plugin_id, each.status, each.count) for each in state.rollups.values()]
        for plugin_id, status, count in ends:
            of = counted.setdefault(plugin_id, {})
            of[status.value] = of.get(status.value, 0) + count
        return counted

    async def prunable(self, limits: Limits, most: int) -> Sequence[RunId]:
        """List runs beyond the limits that nothing needs any more, the earliest due first."""
        state = self._state
        needed = {value.run_id for value in state.values.values()}
        needed |= {event.run_id for events in state.waiting.values() for event in events}
        return [run.run_id for run in beyond(state.runs.values(), limits, needed)[:most]]

    async def rollups(self, which: RunFilter) -> Sequence[Rollup]:
        """Give what ended runs came to by plugin, day and status, the latest day first."""
        together = dict(self._state.rollups)
        for run in self._state.runs.values():
            if run.status in TERMINAL:
                add_run(together, run)
        return matching(together.values(), which)

    async def meta(self) -> Mapping[str, str]:
        """Give the facts about this ledger itself."""
        return dict(self._state.meta)

    async def configs(
        self, *, hash_: str | None = None, limit: int = 50
    ) -> Sequence[ConfigVersion]:
        """List the accepted configurations (all, or those with one hash), newest first."""
        found = [v for v in reversed(self._state.configs) if hash_ is None or v.hash == hash_]
        return found[:limit]


def _of(rows: Mapping[RunId, Mapping[int, _Row]], run_id: str) -> list[_Row]:
    return [row for _, row in sorted(rows.get(RunId(run_id), {}).items())]


def _matches(run: RunRow, which: RunFilter) -> bool:
    first = run.key.due if run.first is None else run.first
    return (
        which.plugin_id in (None, run.key.plugin_id)
        and which.status in (None, run.status.value)
        and which.kind in (None, run.key.kind)
        and (which.since is None or run.key.due >= which.since)
        and (which.until is None or min(first, run.key.due) <= which.until)
        and (which.after is None or _is_behind(run.key, which.after))
    )


def _is_behind(key: RunKey, after: RunKey) -> bool:
    """Tell whether a run stands behind another one in a list."""
    place, mark = (key.due, key.turn), (after.due, after.turn)
    if place != mark:
        return place < mark
    return (key.plugin_id, key.kind.value) > (after.plugin_id, after.kind.value)
