"""A ledger in memory, for the test kit and for replays that keep no file.

Rows are kept as they are; plugins' tables live in an in-memory SQLite database, so that the same
SQL is allowed and refused as in a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from optifire.core.errors import StoreError
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ConfigVersion,
    ContextValue,
    EventRow,
    LogRow,
    NoteRow,
    Recovered,
    Rejected,
    RunFilter,
    RunRecord,
    RunRow,
    Statement,
)
from optifire.core.run import TERMINAL, Failure, Reason, RunKind, RunStatus
from optifire.core.types import PluginId, RunId
from optifire.store.memory_tables import MemorySnapshot, MemoryTables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

_WHERE = "the ledger in memory"


@dataclass(slots=True)
class _State:
    """Everything that was committed."""

    runs: dict[RunId, RunRow] = field(default_factory=dict)
    attempts: dict[tuple[RunId, int], AttemptRow] = field(default_factory=dict)
    writes: dict[RunId, tuple[Statement, ...]] = field(default_factory=dict)
    values: dict[str, ContextValue] = field(default_factory=dict)
    events: dict[tuple[RunId, int], EventRow] = field(default_factory=dict)
    logs: dict[tuple[RunId, int], LogRow] = field(default_factory=dict)
    notes: list[NoteRow] = field(default_factory=list)
    configs: list[ConfigVersion] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    start: int = 0
    clean: bool = True


class MemoryStore:
    """The `Store` without a file; what it holds lasts as long as the object."""

    def __init__(self) -> None:
        self._state = _State()
        self._tables = MemoryTables()
        self._is_open = False
        self.ledger = MemoryLedger(self._state)

    async def open(self) -> Recovered:
        """Begin a new start number."""
        if self._is_open:
            raise StoreError("the ledger is open already", where=_WHERE)
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
                for run in sorted(state.runs.values(), key=_order)
                if run.status not in TERMINAL
            ],
            cursors=_cursors(state),
            waiting_events=sorted(
                (event for event in state.events.values() if not event.taken),
                key=lambda event: (
                    event.due,
                    event.turn,
                    _order(state.runs[event.run_id]),
                    event.seq,
                ),
            ),
        )

    async def commit(self, batch: Batch) -> Sequence[Rejected]:
        """Apply all of a batch; a run whose table writes fail is stored ``failed``."""
        self._check_open()
        _check(self._state, batch)
        failures = self._tables.apply(batch.writes)
        _apply(self._state, batch, failures)
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
            raise StoreError("the ledger is closed", where=_WHERE, remedy="Open the store first")


def _order(run: RunRow) -> tuple[datetime, int, str, str]:
    return run.key.due, run.key.turn, run.key.plugin_id, run.key.kind.value


def _by_name(values: Mapping[str, ContextValue]) -> list[ContextValue]:
    return [values[name] for name in sorted(values)]


def _cursors(state: _State) -> dict[PluginId, datetime]:
    found: dict[PluginId, datetime] = {}
    accounted = [
        (run.key.plugin_id, run.key.due)
        for run in state.runs.values()
        if run.key.kind is RunKind.SCHEDULED
    ]
    accounted += [(PluginId(n.subject), n.at) for n in state.notes if n.kind == "enabled"]
    for plugin_id, at in accounted:
        found[plugin_id] = max(at, found.get(plugin_id, at))
    return found


def _check(state: _State, batch: Batch) -> None:
    """Raise `StoreError` before anything is changed, when something cannot be written."""
    ended = {run_id for run_id, run in state.runs.items() if run.status in TERMINAL}
    for run in batch.runs:
        if run.run_id in ended:
            raise StoreError(
                f"the run {run.run_id} has ended and cannot change",
                where=_WHERE,
                remedy="Terminal statuses never change; report this as a bug",
            )
        if run.status in TERMINAL:
            ended.add(run.run_id)
    known = state.runs.keys() | {run.run_id for run in batch.runs}
    children = (*batch.attempts, *batch.events, *batch.logs, *batch.writes)
    for run_id in (child.run_id for child in children):
        if run_id not in known:
            raise StoreError(f"there is no run {run_id} that this could belong to", where=_WHERE)
    for attempt in batch.attempts:
        old = state.attempts.get((attempt.run_id, attempt.number))
        if old is not None and old.status in TERMINAL:
            raise StoreError("an attempt that has ended cannot change", where=_WHERE)


def _apply(state: _State, batch: Batch, failures: Mapping[RunId, Failure]) -> None:
    for run in batch.runs:
        state.runs[run.run_id] = _stored_run(run, failures.get(run.run_id))
    for attempt in batch.attempts:
        stored = _stored_attempt(attempt, failures.get(attempt.run_id))
        state.attempts[attempt.run_id, attempt.number] = stored
    for writes in batch.writes:
        if writes.statements and writes.run_id not in failures:
            state.writes[writes.run_id] = writes.statements
    for value in batch.values:
        old = state.values.get(value.name)
        newer = old is None or (value.as_of, value.turn) >= (old.as_of, old.turn)
        if newer and value.run_id not in failures:
            state.values[value.name] = value
    for event in batch.events:
        if event.run_id not in failures:
            state.events[event.run_id, event.seq] = event
    state.logs |= {(log.run_id, log.attempt): log for log in batch.logs}
    state.notes += batch.notes
    state.configs += batch.configs
    state.meta |= batch.meta
    taken = set(batch.events_taken)
    for key, event in state.events.items():
        if (event.due, event.turn) in taken:
            state.events[key] = replace(event, taken=True)


def _stored_run(run: RunRow, failure: Failure | None) -> RunRow:
    """Copy a row: it goes on changing after it was handed over."""
    if failure is None:
        return replace(run, outputs=dict(run.outputs), inputs=dict(run.inputs))
    return replace(
        run,
        status=RunStatus.FAILED,
        reason=Reason("error", failure.message),
        failure=failure,
        outputs={},
        inputs=dict(run.inputs),
    )


def _stored_attempt(attempt: AttemptRow, failure: Failure | None) -> AttemptRow:
    if failure is None:
        return replace(attempt)
    reason = Reason("error", failure.message)
    return replace(attempt, status=RunStatus.FAILED, reason=reason, failure=failure)


class MemoryLedger:
    """The `Ledger` of a `MemoryStore`."""

    def __init__(self, state: _State) -> None:
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
        for run in sorted(state.runs.values(), key=_order):
            events = _of(state.events, run.run_id)
            yield RunRecord(replace(run), events, state.writes.get(run.run_id, ()))

    async def statuses(self) -> Mapping[str, Mapping[str, int]]:
        """Count occurrences: plugin id -> status -> how many."""
        counted: dict[str, dict[str, int]] = {}
        for run in self._state.runs.values():
            of = counted.setdefault(run.key.plugin_id, {})
            of[run.status.value] = of.get(run.status.value, 0) + run.count
        return counted

    async def meta(self) -> Mapping[str, str]:
        """Give the facts about this ledger itself."""
        return dict(self._state.meta)

    async def configs(
        self, *, hash_: str | None = None, limit: int = 50
    ) -> Sequence[ConfigVersion]:
        """List the accepted configurations (all, or those with one hash), newest first."""
        found = [v for v in reversed(self._state.configs) if hash_ is None or v.hash == hash_]
        return found[:limit]


_Row = TypeVar("_Row")


def _of(rows: Mapping[tuple[RunId, int], _Row], run_id: str) -> list[_Row]:
    return [
        row for (owner, _), row in sorted(rows.items(), key=lambda item: item[0]) if owner == run_id
    ]


def _matches(run: RunRow, which: RunFilter) -> bool:
    first = run.key.due if run.first is None else run.first
    return (
        which.plugin_id in (None, run.key.plugin_id)
        and which.status in (None, run.status.value)
        and which.kind in (None, run.key.kind)
        and (which.since is None or run.key.due >= which.since)
        and (which.until is None or min(first, run.key.due) <= which.until)
    )
