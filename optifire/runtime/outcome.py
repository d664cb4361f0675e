"""From the outcome of an attempt to the rows, values and events that it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from optifire.core.budget import soft_breaches
from optifire.core.firing import CONTINUOUS
from optifire.core.job import Effect, Job
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ContextValue,
    EventRow,
    LogRow,
    NoteRow,
    RunRow,
    TableWrites,
)
from optifire.core.run import TERMINAL, RunKind, RunStatus
from optifire.runtime.blackboard import marker_of
from optifire.runtime.recorder import fail_writes
from optifire.runtime.retry import backoff_seconds

if TYPE_CHECKING:
    from optifire.core.firing import Firing
    from optifire.core.graph import Graph
    from optifire.core.ports import Clock, Outcome
    from optifire.core.run import Failure
    from optifire.core.types import Encoded, PluginId
    from optifire.runtime.admission import NonRun
    from optifire.runtime.needs import Values
    from optifire.runtime.parts import Parts


#: The source of events that no plugin publishes.
HOST = "host"


@dataclass(slots=True)
class Ending:
    """How an attempt ended: a pause before the next one, or the run's last word."""

    row: RunRow
    job: Job
    values: list[ContextValue] = field(default_factory=list)
    events: Sequence[EventRow] = ()
    #: ``context.data`` keys that nobody declared, with their values.
    undeclared: Sequence[ContextValue] = ()
    retry_after: float | None = None


def moment_of(row: RunRow, clock: Clock) -> datetime:
    """Give when something happens to a run: to one of a replay at its due instant, which stands.

    A backfill is timeless as well, but its records say when they were made.
    """
    stands = clock.timeless and row.key.kind is not RunKind.BACKFILL
    return row.key.due if stands else clock.now()


def open_attempt(row: RunRow, clock: Clock, worker: str, batch: Batch) -> None:
    """Write an attempt ahead: the run is running from the commit on."""
    now = moment_of(row, clock)
    row.move(RunStatus.RUNNING)
    row.attempts += 1
    row.worker = worker
    row.started_at = now
    if not clock.timeless:
        batch.attempts.append(
            AttemptRow(row.run_id, row.attempts, RunStatus.RUNNING, now, worker=worker)
        )


def refuse_attempt(row: RunRow, objection: NonRun, clock: Clock) -> None:
    """Take back an attempt that could not be written ahead: it was never made."""
    row.status, row.attempts = RunStatus.DUE, row.attempts - 1
    row.started_at, row.worker, row.held = None, "", ""
    row.move(objection.status, objection.reason)
    row.finished_at = clock.now()


def close_attempt(
    firing: Firing, row: RunRow, outcome: Outcome, parts: Parts, batch: Batch
) -> Ending:
    """Write the end of an attempt and say what it leaves."""
    now = moment_of(row, parts.clock)
    if outcome.status is RunStatus.PREEMPTED and firing.job.effect is Effect.EFFECTFUL:
        outcome.status = RunStatus.UNKNOWN  # nobody can tell what it did, so it is not tried again
    batch.attempts.append(
        AttemptRow(
            row.run_id,
            row.attempts,
            outcome.status,
            row.started_at or now,
            now,
            row.worker,
            outcome.reason,
            outcome.usage,
            outcome.failure,
        )
    )
    if outcome.log:
        batch.logs.append(LogRow(row.run_id, row.attempts, outcome.log))
    row.usage = outcome.usage
    row.failure = outcome.failure
    if outcome.status is RunStatus.PREEMPTED:
        row.move(RunStatus.DUE, outcome.reason)
        return Ending(row, firing.job)
    pause = _pause_before_retry(firing, row, outcome, parts)
    if pause is not None:
        row.move(RunStatus.DUE, outcome.reason)
        return Ending(row, firing.job, retry_after=pause)
    row.move(outcome.status, outcome.reason)
    row.finished_at = now
    row.degraded = outcome.degraded
    over = soft_breaches(outcome.usage, firing.job.budget)
    # What a stream may use is for each part; all of it together has no budget.
    row.breaches = tuple(each for each in over if firing.trigger != CONTINUOUS or each != "cpu")
    row.outputs = {**outcome.outputs, **outcome.writes} if outcome.writes else outcome.outputs
    if outcome.reads:
        row.inputs = {**row.inputs, **outcome.reads}
    if outcome.status is not RunStatus.SUCCEEDED:
        return Ending(row, firing.job)
    return _success(firing.job, row, outcome, parts, batch)


def _pause_before_retry(
    firing: Firing, row: RunRow, outcome: Outcome, parts: Parts
) -> float | None:
    """Give the seconds until the next attempt, None when there is to be none."""
    failure = outcome.failure
    if outcome.status is not RunStatus.FAILED or failure is None or not failure.retryable:
        return None
    if row.attempts > firing.job.retries:
        return None
    pause = backoff_seconds(row.run_id, row.attempts)
    deadline = firing.deadline
    late = deadline is not None and parts.clock.now() + timedelta(seconds=pause) > deadline
    return None if late else pause


def _success(job: Job, row: RunRow, outcome: Outcome, parts: Parts, batch: Batch) -> Ending:
    """Give what a success publishes, and put its writes into the batch."""
    ending = Ending(row, job)
    missing = [key for key in job.outputs if key not in row.outputs]
    notes = [f"declared output {key} is missing" for key in missing]
    notes += [f"read {name} without declaring it" for name in outcome.undeclared]
    row.note = "; ".join(notes)
    published = _publish(ending, outcome) if row.outputs else ()
    ending.values = values_of(row, job, parts.graph, published)
    batch.values += ending.values
    if outcome.events:
        ending.events = _events(row, outcome, parts)
        batch.events += ending.events
    if outcome.statements:
        at = row.key.due
        add_only = row.key.kind is RunKind.BACKFILL
        batch.writes.append(
            TableWrites(row.run_id, job.plugin_id, at, outcome.statements, add_only)
        )
    return ending


def _publish(ending: Ending, outcome: Outcome) -> Sequence[str]:
    """Give the keys that are published, and keep those that nobody declares."""
    row, job = ending.row, ending.job
    declared = set(job.outputs)
    ending.undeclared = [
        _value(row, key, key, row.outputs[key])
        for key in sorted(outcome.writes)
        if key not in declared
    ]
    return [key for key in row.outputs if key in declared or key in outcome.writes]


def values_of(row: RunRow, job: Job, graph: Graph, keys: Sequence[str]) -> list[ContextValue]:
    """Give what a success publishes: some of its outputs under their names, and its marker."""
    full = [_value(row, f"{job.plugin_id}.{key}", key, row.outputs[key]) for key in keys]
    bare = [
        _value(row, key, key, row.outputs[key])
        for key in keys
        if graph.publishes_bare(job.plugin_id, key)
    ]
    return [*full, *bare, _value(row, job.plugin_id, "", marker_of(keys))]


def _events(row: RunRow, outcome: Outcome, parts: Parts) -> list[EventRow]:
    return [
        EventRow(
            row.run_id, seq, row.key.due, row.key.turn, event.name, event.source, event.data,
            taken=event.name not in parts.listeners,
        )
        for seq, event in enumerate(outcome.events)
    ]  # fmt: skip


def _value(row: RunRow, name: str, key: str, value: Encoded) -> ContextValue:
    return ContextValue(name, row.key.plugin_id, key, row.run_id, row.key.due, row.key.turn, value)


class Leavings:
    """What the ended runs of a cycle left: events for the next turn, names to be settled."""

    def __init__(self) -> None:
        self.events: list[EventRow] = []
        self._undeclared: list[ContextValue] = []

    def take(self, ending: Ending, values: Values) -> None:
        """Take in what one run left; its values answer needs from now on."""
        self.events += ending.events
        self._undeclared += ending.undeclared
        values.made.update({value.name: value for value in ending.values})

    def judge(self, job: Job, row: RunRow, parts: Parts, batch: Batch) -> None:
        """Put into a batch what the end of a run means for its plugin, where it means anything."""
        if parts.standings is None or row.status not in TERMINAL:
            return
        verdict = parts.standings.end(job, row)
        if verdict is None:
            return
        seq = sum(event.run_id == row.run_id for event in self.events)
        event = EventRow(
            row.run_id, seq, row.key.due, row.key.turn, verdict.event, HOST, verdict.data,
            taken=verdict.event not in parts.listeners,
        )  # fmt: skip
        self.events.append(event)
        batch.events.append(event)
        batch.notes.append(verdict.note)

    def reject(self, row: RunRow, failure: Failure, values: Values) -> None:
        """Take back everything of a run whose table writes failed; it is stored as failed."""
        fail_writes(row, failure)
        self.events = [event for event in self.events if event.run_id != row.run_id]
        self._undeclared = [value for value in self._undeclared if value.run_id != row.run_id]
        values.forget(row.run_id)

    def settle_names(self, parts: Parts) -> Batch:
        """Give undeclared keys their bare names, once the cycle has ended.

        A bare name that nobody declares goes to its first writer by (due, turn, id) and stays
        with it; what another plugin writes under it is published by full name only, with a note
        naming both.
        """
        batch = Batch()
        taken: dict[str, PluginId] = {}
        for value in sorted(self._undeclared, key=lambda one: (one.producer, one.key)):
            owner = parts.graph.owners.get(value.name) or parts.board.owner_of_bare(value.name)
            owner = owner or taken.setdefault(value.name, value.producer)
            if owner == value.producer:
                batch.values.append(value)
            else:
                full = f"{value.producer}.{value.name}"
                text = f"wrote {value.name!r}, which belongs to {owner}; published as {full} only"
                batch.notes.append(NoteRow(value.as_of, "warning", value.producer, text))
        return batch
