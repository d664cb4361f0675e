"""Why a plugin ran or did not: last due, what it waited for, status, reason, and when next."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from optifire.app.lineage import reason_by_hand
from optifire.core.calendar import CalendarRangeError
from optifire.core.ledger import RunFilter
from optifire.core.run import RunKind, run_id_of
from optifire.host.records import instant_text, record_of
from optifire.store.reader import LedgerReader
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.app.known import Knowledge
    from optifire.core.job import Job
    from optifire.core.ledger import RunRow
    from optifire.core.types import PluginId
    from optifire.host.catalog import Listed
    from optifire.runtime.pauses import Pauses

#: How far back an occurrence that nobody recorded is looked for.
LOOK_BACK = timedelta(days=8)
SMALLEST = timedelta(microseconds=1)
#: What ``status`` says where no run does.
NEVER, NOT_DUE, NOT_RECORDED = "never ran", "not due", "not recorded"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and its reason."""

    status: str
    reason: str


async def explain(
    known: Knowledge,
    plugin_id: str,
    when: datetime,
    held: Mapping[PluginId, str],
    pauses: Pauses | None = None,
) -> dict[str, Any]:
    """Give the JSON shape of ``why`` for one plugin.

    Parameters
    ----------
    when
        As of when.
    held
        Why each plugin that is quarantined now is; empty for another time than now.
    pauses
        Who is paused now; None for another time than now.

    Raises
    ------
    NotFoundError
        No plugin has this id; near ids are offered.
    """
    listed = known.catalog.find(plugin_id)
    job = known.catalog.jobs.get(listed.plugin_id)
    last: RunRow | None = None
    waited: list[dict[str, Any]] = []
    by_hand: dict[str, Any] | None = None
    if known.database.exists():
        async with LedgerReader(known.database) as ledger:
            last = await _last(ledger, listed.plugin_id, when)
            waited = [] if last is None else await _waited_for(ledger, known, last)
            by_hand = await _by_hand(ledger, listed.plugin_id, when)
    answer = _answer(listed, job, last, when)
    upcoming = _next_due(job, when)
    pause = None if pauses is None else pauses.of(listed.plugin_id)
    return {
        "plugin_id": listed.plugin_id,
        "last": None if last is None else record_of(last, to_json),
        "waited_for": waited,
        "status": answer.status,
        "reason": answer.reason or None,
        "quarantined": held.get(listed.plugin_id),
        "paused": None if pause is None else str(pause),
        "by_hand": by_hand,
        "next": None if upcoming is None else instant_text(upcoming),
    }


async def _last(ledger: LedgerReader, plugin_id: str, when: datetime) -> RunRow | None:
    """Give the latest scheduled occurrence up to an instant, else the latest of any kind."""
    for kind in (RunKind.SCHEDULED, None):
        which = RunFilter(plugin_id=plugin_id, until=when, limit=1, kind=kind)
        if rows := await ledger.runs(which):
            return rows[0]
    return None


async def _by_hand(ledger: LedgerReader, plugin_id: str, when: datetime) -> dict[str, Any] | None:
    """Give the latest run by hand up to an instant, with who asked for it and why."""
    which = RunFilter(plugin_id=plugin_id, until=when, limit=1, kind=RunKind.MANUAL)
    for row in await ledger.runs(which):
        due, status = instant_text(row.key.due), row.status.value
        return {
            "run_id": row.run_id,
            "due": due,
            "status": status,
            "why": await reason_by_hand(ledger, row),
        }
    return None


async def _waited_for(ledger: LedgerReader, known: Knowledge, last: RunRow) -> list[dict[str, Any]]:
    """Give what the run's needs were answered by: the run that made a value, or that was due."""
    key = last.key
    found: list[dict[str, Any]] = []
    for edge in known.catalog.graph.edges.get(key.plugin_id, ()):
        if edge.producer is None:
            continue  # the host provides it at once
        names = (edge.need.name, f"{edge.producer}.{edge.key}", edge.key or "")
        source = next((last.inputs[name] for name in names if name in last.inputs), None)
        asked = run_id_of(edge.producer, key.due, key.turn, RunKind.SCHEDULED)
        run_id = source.run_id if source is not None and source.run_id else asked
        row = await ledger.run(run_id)
        found.append(
            {
                "name": edge.need.name,
                "run_id": None if row is None else row.run_id,
                "status": None if row is None else row.status.value,
            }
        )
    return found


def _answer(listed: Listed, job: Job | None, last: RunRow | None, when: datetime) -> Answer:
    """Give what to say: a load error, a holiday, a gap in the record, else the run's own reason."""
    if job is None:
        return Answer(listed.state.value, listed.reason)
    holiday = _holiday(job, when)
    if holiday is not None and (last is None or not _same_day(job, last.key.due, when)):
        return Answer(NOT_DUE, f"market holiday: {holiday}")
    unrecorded = _first_unrecorded(job, last, when)
    if unrecorded is not None:
        due = instant_text(unrecorded)
        return Answer(NOT_RECORDED, f"due at {due}; no service has accounted for that yet")
    if last is None:
        return Answer(NEVER, "it has not been due yet" if job.schedule.timed else _untimed(job))
    return Answer(last.status.value, "" if last.reason is None else str(last.reason))


def _untimed(job: Job) -> str:
    return f"it never fires by itself ({', '.join(job.schedule.words)})"


def _holiday(job: Job, when: datetime) -> str | None:
    """Give the name of the holiday that kept the job from being due on that day, if one did."""
    calendar = job.schedule.calendar
    day = _day(job, when)
    if not calendar.first <= day <= calendar.horizon:
        return None
    name = dict(calendar.holidays(day, day)).get(day)
    if name is None:
        return None
    start = datetime.combine(day, dt.time(), ZoneInfo(calendar.tz)).astimezone(UTC)
    due = _next_due(job, start - SMALLEST)
    due_that_day = due is not None and _day(job, due) == day
    return None if due_that_day else f"{name} ({calendar.name} {day})"


def _first_unrecorded(job: Job, last: RunRow | None, when: datetime) -> datetime | None:
    """Give the first occurrence after the last record that should have one by then."""
    if last is None:
        return None  # it may have been switched on only now
    due = _next_due(job, max(last.key.due, when - LOOK_BACK))
    late_by_nature = job.schedule.idle
    return due if due is not None and due <= when and not late_by_nature else None


def _next_due(job: Job | None, when: datetime) -> datetime | None:
    """Give the next due instant; None where there is none, or the session table ends before it."""
    if job is None:
        return None
    try:
        due = job.schedule.next_after(when)
    except CalendarRangeError:
        return None
    return None if due is None else due.instant


def _day(job: Job, when: datetime) -> dt.date:
    return when.astimezone(ZoneInfo(job.schedule.calendar.tz)).date()


def _same_day(job: Job, one: datetime, other: datetime) -> bool:
    return _day(job, one) == _day(job, other)
