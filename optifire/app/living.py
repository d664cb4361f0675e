"""Follows the lives of a service's plugins, and writes every transition down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from optifire.app.alarms import START
from optifire.app.residing import NOT_STARTED, RESIDENT
from optifire.app.status import state_of
from optifire.app.switches import DISABLED, ENABLED
from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, NoteRow
from optifire.core.lifecycle import PluginState
from optifire.core.types import PluginId
from optifire.host.catalog import Catalog
from optifire.host.lifecycle import STATE, Life, Lifecycle
from optifire.runtime.pauses import RESUMED, Pauses
from optifire.runtime.recorder import Recorder
from optifire.runtime.standings import CHANGED, QUARANTINED, RELEASED, Standings

if TYPE_CHECKING:
    from optifire.runtime.engine import Rooms
    from optifire.store.reader import LedgerReader

log = logging.getLogger("optifire.service")

#: Kinds of notes that say why a plugin is well, or off.
_REASONS: Final = {ENABLED, DISABLED, RELEASED, RESUMED}
#: Kinds of notes that come with another state of their plugin.
_MOVING: Final = {*_REASONS, QUARANTINED, CHANGED, RESIDENT, START}


@dataclass(slots=True)
class Living:
    """The lives of the plugins of a running service.

    Parameters
    ----------
    catalog, now
        Give the plugins there are, and the clock's present.
    standings, pauses
        Who is quarantined, and who is paused.
    troubles
        Gives whose process could not be started, and why.
    recorder
        Writes the transitions down.
    lives
        What the ledger says of them.
    """

    catalog: Callable[[], Catalog]
    now: Callable[[], datetime]
    standings: Standings
    pauses: Pauses
    troubles: Callable[[], Mapping[PluginId, str]]
    recorder: Recorder
    lives: Lifecycle = field(default_factory=Lifecycle)
    _said: dict[str, str] = field(default_factory=dict)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _notes: list[NoteRow] = field(default_factory=list)

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch: what it says of plugins may move them."""
        for note in batch.notes:
            if note.kind in _REASONS:
                self._said[note.subject] = note.text
        if any(note.kind in _MOVING for note in batch.notes):
            self.look()

    def look(self) -> None:
        """Lead every plugin to where it has come to; `run` writes it down."""
        held, troubles = self.standings.held, self.troubles()
        found = states_of(self.catalog(), held, self.pauses, troubles, self._said)
        notes = self.lives.adopt(found, self.now())
        for note in notes:
            log.debug("%s is %s", note.subject, note.text)
        self._notes += notes
        if notes:
            self._moved.set()

    def after(self, change: Callable[[], None]) -> None:
        """Make a change that no note tells of in time, and look then."""
        change()
        self.look()

    async def run(self) -> None:
        """Write transitions down for as long as this goes on, and those left at its end.

        At the end once: a ledger that refuses keeps no service from ending, and the next start
        finds again where everybody is.
        """
        try:
            while True:
                await self._moved.wait()
                await self._write(self.recorder.write)
        finally:
            try:
                await self._write(self.recorder.intend)
            except StoreError as error:
                log.warning("where plugins are could not be noted at the end: %s", error)

    async def _write(self, write: Callable[[Batch], Awaitable[object]]) -> None:
        self._moved.clear()
        notes, self._notes = self._notes, []
        if notes:
            await write(Batch(notes=notes))


def living_in(
    rooms: Rooms,
    catalog: Callable[[], Catalog],
    pauses: Pauses,
    troubles: Callable[[], Mapping[PluginId, str]],
) -> Living:
    """Give the lives of a service's plugins, by the rooms of its engine."""
    standings = rooms.standings or Standings()
    return Living(catalog, rooms.clock.now, standings, pauses, troubles, rooms.recorder)


def states_of(
    catalog: Catalog,
    held: Mapping[PluginId, str],
    pauses: Pauses,
    troubles: Mapping[PluginId, str],
    said: Mapping[str, str],
) -> dict[PluginId, tuple[PluginState, str]]:
    """Give the state of every plugin there is, and why it is in it.

    Parameters
    ----------
    held, pauses, troubles
        Who is quarantined, paused, or could not be started.
    said
        What was noted last of who is well or off.
    """
    found = {}
    for listed in catalog.plugins.values():
        shape = state_of(listed, held, pauses, troubles)
        state, reason = PluginState(str(shape["state"])), shape["reason"] or ""
        stands = state in {PluginState.ACTIVE, PluginState.UNLOADED}
        why = said.get(listed.plugin_id) or reason if stands else reason
        found[listed.plugin_id] = (state, why)
    return found


async def lives_in(ledger: LedgerReader) -> Lifecycle:
    """Give where the plugins of a ledger are, by what it says."""
    return Lifecycle.of_notes(reversed(await ledger.notes(kind=STATE)))


def not_started(life: Life) -> bool:
    """Tell whether a plugin is at fault because its process could not be started."""
    return life.state is PluginState.ERROR and life.why.startswith(NOT_STARTED)
