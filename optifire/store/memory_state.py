"""What a ledger in memory holds, and how a batch is added to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from optifire.core.errors import NeverWrittenError
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ConfigVersion,
    ContextValue,
    EventRow,
    LogRow,
    NoteRow,
    Rollup,
    RunRow,
    Statement,
)
from optifire.core.run import TERMINAL, Failure, Reason, RunKind, RunStatus
from optifire.core.types import Encoded, PluginId, RunId
from optifire.store.memory_rollups import RollupKey, add_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WHERE = "the ledger in memory"


@dataclass(slots=True)
class State:
    """Everything that was committed; what hangs on a run is kept by run and number."""

    runs: dict[RunId, RunRow] = field(default_factory=dict)
    attempts: dict[RunId, dict[int, AttemptRow]] = field(default_factory=dict)
    events: dict[RunId, dict[int, EventRow]] = field(default_factory=dict)
    logs: dict[RunId, dict[int, LogRow]] = field(default_factory=dict)
    writes: dict[RunId, tuple[Statement, ...]] = field(default_factory=dict)
    values: dict[str, ContextValue] = field(default_factory=dict)
    #: (due, turn) -> events whose listeners are still to be started.
    waiting: dict[tuple[datetime, int], list[EventRow]] = field(default_factory=dict)
    notes: list[NoteRow] = field(default_factory=list)
    configs: list[ConfigVersion] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    rollups: dict[RollupKey, Rollup] = field(default_factory=dict)
    start: int = 0
    clean: bool = True


def order(run: RunRow) -> tuple[datetime, int, str, str]:
    """Give the place of a run among all: due, turn, plugin id, kind."""
    return run.key.due, run.key.turn, run.key.plugin_id, run.key.kind.value


def check(state: State, batch: Batch) -> None:
    """Raise `NeverWrittenError` before anything is changed, when something cannot be written."""
    ended: set[RunId] = set()
    for run in batch.runs:
        old = state.runs.get(run.run_id)
        if run.run_id in ended or (old is not None and old.status in TERMINAL):
            raise _bug(f"the run {run.run_id} has ended and cannot change")
        if run.status in TERMINAL:
            ended.add(run.run_id)
    for run_id in batch.pruned:
        if run_id in state.runs and state.runs[run_id].status not in TERMINAL:
            raise _bug(f"the run {run_id} has not ended and stays")
    known = {run.run_id for run in batch.runs}
    for run_id in _owners(batch):
        if run_id not in state.runs and run_id not in known:
            raise _bug(f"there is no run {run_id} that this could belong to")
    _check_children(state, batch)


def _check_children(state: State, batch: Batch) -> None:
    for attempt in batch.attempts:
        tried = state.attempts.get(attempt.run_id, {}).get(attempt.number)
        if tried is not None and tried.status in TERMINAL:
            raise _bug(f"an attempt that has ended cannot change: one of {attempt.run_id}")
    for event in batch.events:
        if event.seq in state.events.get(event.run_id, {}):
            raise _bug(f"the event {event.seq} of {event.run_id} is there already")


def _owners(batch: Batch) -> Iterator[RunId]:
    yield from (row.run_id for row in batch.attempts)
    yield from (row.run_id for row in batch.events)
    yield from (row.run_id for row in batch.logs)
    yield from (row.run_id for row in batch.writes)


def _bug(what: str) -> NeverWrittenError:
    return NeverWrittenError(what, where=WHERE, remedy="Report this as a bug")


def apply(state: State, batch: Batch, failures: Mapping[RunId, Failure]) -> None:
    """Add a checked batch; ``failures`` are the runs whose table writes were refused."""
    for run in batch.runs:
        state.runs[run.run_id] = _stored_run(run, failures.get(run.run_id))
    for attempt in batch.attempts:
        stored = _stored_attempt(attempt, failures.get(attempt.run_id))
        state.attempts.setdefault(attempt.run_id, {})[attempt.number] = stored
    _apply_effects(state, batch, failures)
    for log in batch.logs:
        state.logs.setdefault(log.run_id, {})[log.attempt] = log
    for moment in batch.events_taken:
        for event in state.waiting.pop(moment, ()):
            state.events[event.run_id][event.seq] = replace(event, taken=True)
    state.notes += batch.notes
    state.configs += batch.configs
    state.meta |= batch.meta
    for run_id in batch.pruned:
        prune(state, run_id)


def _apply_effects(state: State, batch: Batch, failures: Mapping[RunId, Failure]) -> None:
    """Add what only a run that was not refused leaves: writes, values and events."""
    for writes in batch.writes:
        if writes.statements and writes.run_id not in failures:
            state.writes[writes.run_id] = writes.statements
    for value in batch.values:
        old = state.values.get(value.name)
        newer = old is None or (value.as_of, value.turn) >= (old.as_of, old.turn)
        if newer and value.run_id not in failures:
            own = _own(value.value)
            state.values[value.name] = value if own is value.value else replace(value, value=own)
    for event in batch.events:
        if event.run_id not in failures:
            state.events.setdefault(event.run_id, {})[event.seq] = event
            if not event.taken:
                state.waiting.setdefault((event.due, event.turn), []).append(event)


def _stored_run(run: RunRow, failure: Failure | None) -> RunRow:
    """Copy a row: it goes on changing after it was handed over."""
    if failure is None:
        outputs = {key: _own(value) for key, value in run.outputs.items()}
        return replace(run, outputs=outputs, inputs=dict(run.inputs))
    return replace(
        run,
        status=RunStatus.FAILED,
        reason=Reason("error", failure.message),
        failure=failure,
        outputs={},
        inputs=dict(run.inputs),
    )


def _own(value: Encoded) -> Encoded:
    """Give a value as bytes of this ledger; a large one may stand in a file of its worker's."""
    return value if type(value) is bytes else Encoded(bytes(value))


def _stored_attempt(attempt: AttemptRow, failure: Failure | None) -> AttemptRow:
    if failure is None:
        return replace(attempt)
    reason = Reason("error", failure.message)
    return replace(attempt, status=RunStatus.FAILED, reason=reason, failure=failure)


def prune(state: State, run_id: RunId) -> None:
    """Remove a run with all that hangs on it; its figures go into the roll-up of its day."""
    run = state.runs.pop(run_id, None)
    if run is None:
        return
    add_run(state.rollups, run)
    for each in (state.attempts, state.events, state.logs, state.writes):
        each.pop(run_id, None)


def cursors(state: State) -> dict[PluginId, datetime]:
    """Give for each plugin the latest instant up to which its schedule is accounted for."""
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
