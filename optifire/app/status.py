"""What the service says of itself: a picture kept up by commits, and its health."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from optifire.core.ledger import NoteRow
from optifire.core.lifecycle import PluginState
from optifire.core.run import TERMINAL, RunKind, RunStatus
from optifire.runtime.pauses import Pauses
from optifire.store.codec import iso
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optifire.app.placing import Placing
    from optifire.core.calendar import Calendar
    from optifire.core.ledger import Batch, ContextValue, RunRow
    from optifire.core.types import PluginId
    from optifire.host.catalog import Catalog, Listed
    from optifire.runtime.engine import Engine
    from optifire.workers.resident import Resident

#: How far ahead `next` looks.
AHEAD = timedelta(days=8)
#: Below this many days of session table nobody can rely on tomorrow's schedule.
LEAST_HORIZON_DAYS = 30
#: Values of the shared context longer than this are not shown.
LONGEST_SHOWN = 64
#: The kind of note about a run by hand, and its reason where none was given.
MANUAL, BY_HAND = "manual", "by hand"
#: The kind of note that says who asked for a backfill, of which stretch, and why.
BACKFILL = "backfill"
#: No plugin is quarantined.
NONE_HELD: Mapping[PluginId, str] = MappingProxyType({})


class RunBoard:
    """The last run of each plugin, how its runs ended, and what is in progress.

    ``ended`` counts the rows of runs that have ended since this was made.
    """

    def __init__(self, rows: Iterable[RunRow], counts: Mapping[str, Mapping[str, int]]) -> None:
        self.ended = 0
        self._last: dict[PluginId, RunRow] = {}
        self._running: dict[str, RunRow] = {}
        self._counts: dict[str, dict[str, int]] = {
            each: dict(found) for each, found in counts.items()
        }
        for row in rows:
            self._see(row)

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch."""
        for row in batch.runs:
            if row.status in TERMINAL:
                self.ended += 1
                counts = self._counts.setdefault(row.key.plugin_id, {})
                counts[row.status.value] = counts.get(row.status.value, 0) + row.count
            self._see(row)

    def _see(self, row: RunRow) -> None:
        if row.status not in TERMINAL:
            self._running[row.run_id] = row
            return
        self._running.pop(row.run_id, None)
        held = self._last.get(row.key.plugin_id)
        newer = held is None or held.key.due <= row.key.due
        if newer and row.status is not RunStatus.COALESCED:
            self._last[row.key.plugin_id] = row

    def last(self, plugin_id: PluginId) -> RunRow | None:
        """Give the latest run of a plugin that has ended."""
        return self._last.get(plugin_id)

    def counts(self, plugin_id: PluginId) -> Mapping[str, int]:
        """Give how often each terminal status was reached."""
        return self._counts.get(plugin_id, {})

    def busy(self) -> set[PluginId]:
        """Give the plugins with a run that is due or in progress."""
        return {row.key.plugin_id for row in self._running.values()}

    def running(self) -> list[dict[str, Any]]:
        """Give what is due or in progress, by due and id."""
        rows = sorted(self._running.values(), key=lambda row: (row.key.due, row.run_id))
        return [
            {
                "run_id": row.run_id,
                "plugin_id": row.key.plugin_id,
                "due": iso(row.key.due),
                "started_at": iso(row.started_at) if row.started_at else None,
                "status": row.status.value,
                "worker": row.worker,
            }
            for row in rows
        ]


def manual_note(run_id: str, why: str, at: datetime, *, forced: bool = False) -> NoteRow:
    """Give the note that says why a run was made by hand."""
    return NoteRow(at, MANUAL, run_id, f"forced: {why}" if forced else why)


def next_of(engine: Engine, now: datetime) -> list[dict[str, str]]:
    """Give the next occurrence of each job, soonest first, as JSON can say it."""
    return [
        {"plugin_id": one.plugin_id, "due": iso(one.due), "trigger": one.trigger}
        for one in engine.planner().next_of_each(now + AHEAD)
    ]


def plugins_of(
    catalog: Catalog,
    board: RunBoard,
    placing: Placing | None = None,
    quarantined: Mapping[PluginId, str] = NONE_HELD,
    pauses: Pauses | None = None,
) -> dict[str, Any]:
    """Give for each plugin that is on (or at fault) its state, last run, usage and budget.

    ``demoted`` is why it runs isolated and not inline, None where it runs as configured;
    ``resident`` its process, None where it has none that lives on. Both are None without a service.
    ``quarantined`` says why it is kept from running, which is the state ``error``; ``paused`` since
    when and why a person keeps it from that, which is the state ``inactive``.
    """
    held = pauses or Pauses()
    demoted = placing.inline.demotions.standing if placing is not None else {}
    standing = placing.residing.worker.standing if placing is not None else {}
    troubles = placing.residing.troubles() if placing is not None else NONE_HELD
    return {
        listed.plugin_id: {
            **state_of(listed, quarantined, held, troubles),
            "category": listed.category,
            "demoted": demoted[listed.plugin_id].why if listed.plugin_id in demoted else None,
            "resident": _resident(standing.get(listed.plugin_id)),
            "sandbox": _sandbox(catalog, listed.plugin_id),
            "budget": _budget(catalog, listed.plugin_id),
            "last": _brief(board.last(listed.plugin_id)),
            "counts": dict(board.counts(listed.plugin_id)),
        }
        for listed in catalog.plugins.values()
        if listed.enabled
    }


def state_of(
    listed: Listed,
    quarantined: Mapping[PluginId, str],
    pauses: Pauses,
    troubles: Mapping[PluginId, str] = NONE_HELD,
) -> dict[str, str | None]:
    """Give the state of a plugin and the reason for it.

    One that is quarantined, or whose process could not be started (``troubles`` says why), is at
    fault; one that is on and paused is inactive.
    """
    pause, why = pauses.of(listed.plugin_id), quarantined.get(listed.plugin_id)
    said = {"quarantined": why, "paused": None if pause is None else str(pause)}
    if why is not None:
        return {"state": PluginState.ERROR.value, "reason": f"quarantined: {why}", **said}
    if listed.plugin_id in troubles:
        return {"state": PluginState.ERROR.value, "reason": troubles[listed.plugin_id], **said}
    if pause is not None and listed.state is PluginState.ACTIVE:
        return {"state": PluginState.INACTIVE.value, "reason": f"paused {pause}", **said}
    return {"state": listed.state.value, "reason": listed.reason, **said}


def _resident(one: Resident | None) -> dict[str, int] | None:
    return None if one is None else {"pid": one.pid, "runs": one.runs}


def _sandbox(catalog: Catalog, plugin_id: PluginId) -> bool | None:
    job = catalog.jobs.get(plugin_id)
    return None if job is None else job.sandbox


def _budget(catalog: Catalog, plugin_id: PluginId) -> dict[str, float] | None:
    job = catalog.jobs.get(plugin_id)
    return None if job is None else {"cpu_ms": job.budget.cpu_ms, "mem_mb": job.budget.mem_mb}


def _brief(row: RunRow | None) -> dict[str, Any] | None:
    """Give the few things about a run that a screen shows."""
    if row is None:
        return None
    return {
        "run_id": row.run_id,
        "due": iso(row.key.due),
        "status": row.status.value,
        "reason": str(row.reason) if row.reason else None,
        "cpu_ms": row.usage.cpu_ms,
        "mem_mb": row.usage.mem_mb,
        "wall_ms": row.usage.wall_ms,
        "scheduled": row.key.kind is RunKind.SCHEDULED,
    }


def context_of(values: Mapping[str, ContextValue]) -> dict[str, Any]:
    """Give the small values of the shared context by bare name."""
    shown: dict[str, Any] = {}
    for name in sorted(values):
        value = values[name]
        if value.key == name and len(value.value) <= LONGEST_SHOWN:
            shown[name] = to_json(value.value)
    return shown


def horizon_trouble(calendars: Mapping[str, Calendar], now: datetime) -> list[str]:
    """Name the calendars whose table ends too soon."""
    return [
        f"the session table of {code} ends on {calendar.horizon}"
        for code, calendar in sorted(calendars.items())
        if (calendar.horizon - now.date()).days < LEAST_HORIZON_DAYS
    ]
