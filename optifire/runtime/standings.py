"""How all plugins of one program stand, and who of them is quarantined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from optifire.core.ledger import NoteRow
from optifire.core.settings import QUARANTINE_AFTER
from optifire.core.types import Encoded
from optifire.runtime.quarantine import (
    FAILURES,
    GOOD,
    Standing,
    after,
    begun,
    sentence,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from optifire.core.job import Job
    from optifire.core.ledger import RunRow
    from optifire.core.types import PluginId

#: Kinds of notes: who is kept from running, who no longer is, and whose code or settings are new.
QUARANTINED, RELEASED, CHANGED = "quarantined", "released", "changed"
#: What the host publishes of the first two.
EVENTS: Final = {QUARANTINED: "plugin_quarantined", RELEASED: "plugin_released"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the end of a run means for its plugin: a note for people, an event for plugins."""

    note: NoteRow
    event: str
    data: Encoded


class Standings:
    """Counts what runs come to, for as long as code and settings of their plugin are the same.

    Parameters
    ----------
    most
        Failures in a row after which a plugin is quarantined.
    known, prints
        How plugins stood when the ledger was opened, and what code and settings they had then.
    """

    def __init__(
        self,
        most: int = QUARANTINE_AFTER,
        known: Mapping[PluginId, Standing] | None = None,
        prints: Mapping[PluginId, str] | None = None,
    ) -> None:
        self._most = most
        self._known = {each: one for each, one in (known or {}).items() if one != GOOD}
        self._prints = dict(prints or {})
        self._jobs: Mapping[PluginId, Job] = {}

    def of(self, plugin_id: PluginId) -> Standing:
        """Give how a plugin stands."""
        return self._known.get(plugin_id, GOOD)

    @property
    def held(self) -> Mapping[PluginId, str]:
        """Why each plugin that is quarantined now is."""
        return {
            each: sentence(standing, self._jobs[each].schedule.calendar)
            for each, standing in sorted(self._known.items())
            if standing.held is not None and each in self._jobs
        }

    def sentences(self) -> list[str]:
        """Say of each plugin that is quarantined why it is."""
        return [f"{each} is quarantined: {why}" for each, why in self.held.items()]

    def adopt(self, jobs: Mapping[PluginId, Job], at: datetime) -> list[NoteRow]:
        """Go over to other jobs: who was switched off, or has changed, begins anew."""
        prints = {each: print_of(job) for each, job in jobs.items()}
        fresh = {each: text for each, text in prints.items() if self._prints.get(each) != text}
        off = [each for each in self._known if each not in jobs]
        notes = self._forget(off, at, "it was switched off")
        notes += self._forget(fresh, at, "its code or its settings have changed")
        self._prints |= fresh
        self._jobs = jobs
        return notes + [NoteRow(at, CHANGED, each, text) for each, text in fresh.items()]

    def _forget(self, plugins: Iterable[PluginId], at: datetime, why: str) -> list[NoteRow]:
        """Take back what is known of some plugins."""
        before = {each: self._known.pop(each, GOOD) for each in plugins}
        return [
            NoteRow(at, RELEASED, each, why)
            for each, standing in before.items()
            if standing.held is not None
        ]

    def start(self, row: RunRow) -> None:
        """Take in that an attempt is about to start."""
        plugin_id, at = row.key.plugin_id, row.started_at
        if plugin_id in self._known and at is not None:
            self._known[plugin_id] = begun(self._known[plugin_id], row, at)

    def end(self, job: Job, row: RunRow) -> Verdict | None:
        """Take in how a run ended; give what that changes, None if it changes nothing."""
        plugin_id, at = job.plugin_id, row.finished_at
        if at is None or (plugin_id not in self._known and row.status not in FAILURES):
            return None
        if self._prints.get(plugin_id) != print_of(job):
            return None  # it began before code or settings were changed
        before = self.of(plugin_id)
        now = after(before, row, at, self._most)
        self._known[plugin_id] = now
        if now == GOOD:
            del self._known[plugin_id]
        if (before.held is None) == (now.held is None):
            return None
        if now.held is None:
            return _verdict(RELEASED, row, at, f"{row.run_id} succeeded", before)
        return _verdict(QUARANTINED, row, at, sentence(now, job.schedule.calendar), now)


def print_of(job: Job) -> str:
    """Give what tells one state of a plugin's code and settings from another."""
    return f"code {job.code.checksum[:16]}, settings {job.config_hash}"


def _verdict(kind: str, row: RunRow, at: datetime, why: str, standing: Standing) -> Verdict:
    plugin_id = row.key.plugin_id
    data = {"plugin_id": plugin_id, "failures": standing.failures, "reason": why}
    encoded = Encoded(msgspec.msgpack.encode(data))
    return Verdict(NoteRow(at, kind, plugin_id, why), EVENTS[kind], encoded)
