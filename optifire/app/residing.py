"""Plugins that live from start to stop: their processes, events and troubles."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from optifire.core.job import Placement
from optifire.core.ledger import Batch, NoteRow
from optifire.core.ports import Event
from optifire.core.run import RunKind
from optifire.runtime.blackboard import RunView
from optifire.workers.residents import ResidentWorker
from optifire.workers.tending import Tending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from optifire.core.job import Job
    from optifire.core.ports import Clock, View
    from optifire.core.types import PluginId
    from optifire.runtime.pauses import Pauses
    from optifire.runtime.recorder import LiveRecorder
    from optifire.runtime.standings import Standings
    from optifire.workers.isolated import IsolatedWorker

log = logging.getLogger("optifire.service")

#: The kind of note about what became of a resident's process.
RESIDENT: Final = "resident"
#: How the reason begins for which a plugin does not stand.
NOT_STARTED: Final = "could not be started"
#: Events that wait for one plugin at most; it is told no older ones then.
MOST_WAITING: Final = 10_000
#: How the ids of backfilled runs end.
_BACKFILLED: Final = f"~{RunKind.BACKFILL.value}"


class Residing:
    """The residents of a service.

    Parameters
    ----------
    isolated
        Whose zygotes and whose watch over limits are used.
    recorder
        Gives hooks a view, and takes the notes.
    clock
        Says when it is.
    pauses
        Who is paused, and is told no events.
    standings
        Who is quarantined, and is told none either.
    """

    def __init__(
        self,
        isolated: IsolatedWorker,
        recorder: LiveRecorder,
        clock: Clock,
        pauses: Pauses | None = None,
        standings: Standings | None = None,
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._pauses = pauses
        self._standings = standings
        self.worker = ResidentWorker(isolated, clock.now, self._view, self._report)
        self._tending = Tending(self.worker, self._report)
        self._jobs: Mapping[PluginId, Job] = {}
        self._boxes: dict[PluginId, deque[tuple[Job, Event, datetime]]] = {}
        self._telling: set[PluginId] = set()
        self._notes: asyncio.Queue[NoteRow] = asyncio.Queue()
        self._group: asyncio.TaskGroup | None = None

    def apply(self, jobs: Mapping[PluginId, Job]) -> None:
        """Have those with hooks among these jobs stand from now on, and no others.

        What is resident only because it runs so often stands from its first run on.
        """
        self._jobs = {
            each: job for each, job in jobs.items() if job.placement is Placement.RESIDENT
        }
        self._tending.keep({each: job for each, job in self._jobs.items() if job.hooks})

    async def run(self) -> None:
        """See to everything, for as long as this goes on."""
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._tending.run())
            self._group.create_task(self._write_notes())
            for plugin_id in self._boxes:
                self._begin_telling(plugin_id)

    # --- events ----------------------------------------------------------------------------

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch: its events are told to who handles them.

        Those of a backfill are not: they are no news.
        """
        news = (row for row in batch.events if not row.run_id.endswith(_BACKFILLED))
        for row in news:
            for job in self._jobs.values():
                if job.handles_events and row.name in job.listens:
                    self.tell(job, Event(row.name, row.data, row.source), row.due)

    def tell(self, job: Job, event: Event, at: datetime) -> None:
        """Have an event told to a plugin, after those before it.

        One that is paused or quarantined misses it.
        """
        if self._misses(job.plugin_id, at):
            return
        box = self._boxes.setdefault(job.plugin_id, deque())
        if len(box) >= MOST_WAITING:
            dropped = box.popleft()[1]
            self._report(job.plugin_id, f"was not told {dropped.name}: {MOST_WAITING:,} wait")
        box.append((job, event, at))
        self._begin_telling(job.plugin_id)

    def _misses(self, plugin_id: PluginId, at: datetime) -> bool:
        """Tell whether a plugin is kept from all that it does, and so from an event of then."""
        if self._standings is not None and self._standings.of(plugin_id).held is not None:
            return True
        return self._pauses is not None and self._pauses.at(plugin_id, at) is not None

    def _begin_telling(self, plugin_id: PluginId) -> None:
        if self._group is not None and plugin_id not in self._telling:
            self._telling.add(plugin_id)
            self._group.create_task(self._tell_all(plugin_id))

    async def _tell_all(self, plugin_id: PluginId) -> None:
        """Tell one plugin everything that waits for it."""
        box = self._boxes[plugin_id]
        try:
            while box:
                job, event, at = box.popleft()
                if not self._misses(plugin_id, at):  # since it was put here, that is
                    await self.worker.tell(job, event, at)
        finally:
            self._telling.discard(plugin_id)

    # --- what is told of them --------------------------------------------------------------

    def sentences(self) -> list[str]:
        """Say of each plugin that does not stand why it does not."""
        return [f"{plugin_id} {why}" for plugin_id, why in sorted(self.troubles().items())]

    def troubles(self) -> dict[PluginId, str]:
        """Give why each plugin that should stand does not."""
        return {
            plugin_id: f"{NOT_STARTED}: {failure.type}: {failure.message}"
            for plugin_id, failure in self.worker.troubles.items()
        }

    async def stop(self, order: Sequence[PluginId]) -> None:
        """End all, those last in this order first: who needs another ends before it."""
        await self.worker.stop(order[::-1])

    def _report(self, plugin_id: PluginId, what: str) -> None:
        log.warning("%s: %s", plugin_id, what)
        self._notes.put_nowait(NoteRow(self._clock.now(), RESIDENT, plugin_id, what))

    async def _write_notes(self) -> None:
        while True:
            await self._recorder.write(Batch(notes=[await self._notes.get()]))

    @asynccontextmanager
    async def _view(self, plugin_id: PluginId) -> AsyncIterator[View]:
        """Give a hook the world as it is now."""
        view = await self._recorder.view()
        try:
            yield RunView(view, plugin_id)
        finally:
            await view.close()
