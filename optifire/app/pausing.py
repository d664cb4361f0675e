"""Pauses and resumes plugins by command, and keeps that in the ledger over restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from optifire.core.errors import LockedError
from optifire.core.ledger import Batch
from optifire.host.catalog import Catalog
from optifire.runtime.clock import monotonic, real_pause, wall_now
from optifire.runtime.pauses import ALL, PAUSED, RESUMED, Pauses, note_of
from optifire.runtime.recorder import LiveRecorder
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.ledger import NoteRow, Recovered

log = logging.getLogger("optifire.service")

#: Seconds for which a command waits for another one to let the ledger go, and between two looks.
LOCK_SECONDS, LOCK_STEP = 3.0, 0.05
#: Between two changes, at least: a demo's clock stands still at times, and their order must not.
_LATER = timedelta(microseconds=1)


@dataclass(slots=True)
class Pausing:
    """The pauses of a running service.

    Parameters
    ----------
    pauses, recorder
        What changes, and where that is written down.
    catalog, now
        Give the plugins there are, and the clock's present.
    keep_streams
        Ends the streams that are paused now, and starts those that no longer are.
    """

    pauses: Pauses
    recorder: LiveRecorder
    catalog: Callable[[], Catalog]
    now: Callable[[], datetime]
    keep_streams: Callable[[], None]
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def pause(self, plugin_id: str | None, *, who: str, why: str) -> dict[str, Any]:
        """Let nothing more of a plugin (None: of all) begin; what goes on may end.

        Raises
        ------
        NotFoundError
            No plugin has this id.
        StoreError
            It cannot be written down, and does not hold.
        """
        return await self._go_over(PAUSED, plugin_id, who, why)

    async def resume(self, plugin_id: str | None, *, who: str, why: str) -> dict[str, Any]:
        """Let a plugin (None: all) begin again with the next occurrence; errors as `pause`."""
        return await self._go_over(RESUMED, plugin_id, who, why)

    async def _go_over(
        self, kind: str, plugin_id: str | None, who: str, why: str
    ) -> dict[str, Any]:
        async with self._order:
            subject = subject_of(plugin_id, self.catalog())
            note = change(self.pauses, note_of(kind, subject, self.now(), who, why))
            if note is not None:
                await self.recorder.intend(Batch(notes=[note]))
                self.pauses.take(note)
                self.keep_streams()
                log.info("%s %s %s", _named(subject), kind, note.text)
            return answer(self.pauses, subject, note)


async def change_in_file(path: Path, wanted: NoteRow) -> dict[str, Any]:
    """Do the same in a ledger that no service holds; it counts from the next start on.

    Another command that writes it holds it for a moment, which is waited for.

    Raises
    ------
    LockedError, StoreError
        Another process writes the ledger, or nobody can.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    store = SqliteStore(path, clock=wall_now)
    recovered = await _opened(store)
    try:
        pauses = await read_pauses(path)
        note = change(pauses, wanted)
        if note is not None:
            await store.commit(Batch(notes=[note]))
            pauses.take(note)
    finally:
        await store.close(clean=recovered.clean)
    return answer(pauses, wanted.subject, note)


async def _opened(store: SqliteStore) -> Recovered:
    end = monotonic() + LOCK_SECONDS
    while True:
        try:
            return await store.open()
        except LockedError:
            if monotonic() >= end:
                raise
            await real_pause(LOCK_STEP)


async def read_pauses(path: Path) -> Pauses:
    """Give the pauses that a ledger holds."""
    async with LedgerReader(path) as ledger:
        return await pauses_in(ledger)


async def pauses_in(ledger: LedgerReader) -> Pauses:
    """Give the pauses that an open ledger holds."""
    notes = [*await ledger.notes(kind=PAUSED), *await ledger.notes(kind=RESUMED)]
    return Pauses(sorted(notes, key=lambda note: note.at))


def subject_of(plugin_id: str | None, catalog: Catalog) -> str:
    """Give what a note is about: a plugin's id as the catalog has it, or all."""
    return ALL if plugin_id is None else catalog.find(plugin_id).plugin_id


def change(pauses: Pauses, wanted: NoteRow) -> NoteRow | None:
    """Give the note to be written, None where it is as wanted already."""
    if (pauses.own(wanted.subject) is not None) == (wanted.kind == PAUSED):
        return None
    before = pauses.changed(wanted.subject)
    return wanted if before is None else replace(wanted, at=max(wanted.at, before + _LATER))


def answer(pauses: Pauses, subject: str, note: NoteRow | None) -> dict[str, Any]:
    """Give the JSON shape of both commands: what changed, and by what it is paused now."""
    held = pauses.own(ALL) if subject == ALL else pauses.of(subject)
    return {
        "ok": True,
        "changed": [] if note is None else [subject],
        "paused": None if held is None else str(held),
        "all": pauses.own(ALL) is not None,
        "alone": pauses.alone(),
    }


def _named(subject: str) -> str:
    return "everything" if subject == ALL else subject
