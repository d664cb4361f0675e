"""What becomes of runs that were in flight when the service ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from optifire.core.firing import CONTINUOUS, Firing, is_late, misfire_of
from optifire.core.job import Effect, Job, Misfire
from optifire.core.ledger import AttemptRow, Batch, EventRow, Recovered, RunRow
from optifire.core.ports import Event
from optifire.core.run import Reason, RunKey, RunKind, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.resolver import PULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.core.due import Due

#: How late a run without an instant of its own schedule (manual, event, pull) may still start.
OTHER_GRACE = timedelta(seconds=120)
_INSTANT = timedelta(microseconds=1)


@dataclass(slots=True)
class Recovery:
    """Runs to be taken up again at the first tick, and rows to be written before it."""

    firings: list[Firing] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)


def recover(recovered: Recovered, jobs: Mapping[PluginId, Job], now: datetime) -> Recovery:
    """Decide for every run without a terminal status: again, or an end with a reason.

    No worker outlives the service, so a run found ``running`` has a lost attempt. Without outside
    effects, or with keyed ones, it runs again while it is in grace; an effectful one never does.
    """
    result = Recovery()
    rows = {row.key: row for row in recovered.open_runs}
    for row in sorted(recovered.open_runs, key=lambda row: _pulls_behind(row, rows)):
        if row.status is RunStatus.RUNNING:
            _lose_attempt(row, now, result.batch)
        _decide(row, jobs.get(row.key.plugin_id), now, result, recovered.answered_events)
    return result


def _puller(row: RunRow) -> RunKey | None:
    """Give the key of the run for which another was pulled in, None if it was not."""
    if not row.trigger.startswith(PULL):
        return None
    return replace(row.key, plugin_id=PluginId(row.trigger.removeprefix(PULL)))


def _pulls_behind(row: RunRow, rows: Mapping[RunKey, RunRow]) -> int:
    """Count the runs that wait for this one by pulls: they are decided on before it."""
    puller = _puller(row)
    return 1 + _pulls_behind(rows[puller], rows) if puller is not None and puller in rows else 0


def _lose_attempt(row: RunRow, now: datetime, batch: Batch) -> None:
    """Nobody can say how the attempt ended."""
    began = row.started_at or now
    batch.attempts.append(
        AttemptRow(row.run_id, row.attempts, RunStatus.LOST, began, now, row.worker, _died())
    )


def _died() -> Reason:
    return Reason("lost", "the service ended while it ran")


def _decide(
    row: RunRow,
    job: Job | None,
    now: datetime,
    result: Recovery,
    events: Sequence[EventRow],
) -> None:
    """Take one run up again, or end it."""
    was_running = row.status is RunStatus.RUNNING
    if job is None:
        end = (RunStatus.LOST, _died()) if was_running else (
            RunStatus.SKIPPED, Reason("disabled", "switched off while it waited")
        )  # fmt: skip
    elif was_running and (job.effect is Effect.EFFECTFUL or row.trigger == CONTINUOUS):
        end = (RunStatus.LOST, _died())
    elif row.trigger == CONTINUOUS:
        end = (RunStatus.MISSED, Reason("late", "the service ended before it began"))
    else:
        firing, late = _firing(row, job, now)
        firing.events = _events_for(job, row, events)
        puller = _puller(row)
        if late is None or any(one.key == puller for one in result.firings):
            if was_running:
                row.move(RunStatus.DUE, _died())
            result.firings.append(firing)
            return
        end = (RunStatus.LOST, _died()) if was_running else late
    row.move(*end)
    row.finished_at = now
    result.batch.runs.append(row)


def _firing(row: RunRow, job: Job, now: datetime) -> tuple[Firing, tuple[RunStatus, Reason] | None]:
    """Give the firing of a row, and how it ends instead when it is found too late."""
    key = row.key
    due = job.schedule.next_known(key.due - _INSTANT) if job.schedule.timed else None
    scheduled = key.kind is RunKind.SCHEDULED and key.turn == 0
    own = due is not None and due.instant == key.due and scheduled
    grace = due.grace if due is not None and own else OTHER_GRACE
    firing = Firing(
        job, key.due, row.trigger, grace, key.turn, key.kind,
        skip=due.skip if due is not None and own else None,
        idle=due.idle if due is not None and own else False,
        row=row,
        in_turn=True,
    )  # fmt: skip
    if due is not None and own:
        return firing, _too_late(job, due, now)
    missed = now - key.due > OTHER_GRACE
    return firing, (RunStatus.MISSED, Reason("late", "found after grace")) if missed else None


def _events_for(job: Job, row: RunRow, events: Sequence[EventRow]) -> tuple[Event, ...]:
    """Give the events of the turn before that started a run, as it was given them then."""
    before = (row.key.due, row.key.turn - 1)
    own = [one for one in events if (one.due, one.turn) == before and one.name in job.listens]
    own.sort(key=lambda one: (one.run_id, one.seq))
    return tuple(Event(one.name, one.data, one.source) for one in own)


def _too_late(job: Job, due: Due, now: datetime) -> tuple[RunStatus, Reason] | None:
    """Apply the misfire rule to an occurrence that was written down but never started."""
    if not is_late(job, due, now):
        return None
    rule = misfire_of(job, due)
    if rule is Misfire.SKIP:
        return RunStatus.MISSED, Reason("late", "found after grace")
    following = job.schedule.next_known(due.instant)
    overtaken = following is not None and following.instant <= now
    if rule is Misfire.LATEST and overtaken:
        return RunStatus.COALESCED, Reason("late", "a later occurrence runs in its place")
    return None
