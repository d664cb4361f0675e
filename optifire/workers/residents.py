"""`ResidentWorker`: one warm process for each plugin that needs its `self` to live on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optifire.core.errors import OptifireError
from optifire.core.limits import limits_for
from optifire.core.run import Failure, RunStatus
from optifire.core.types import PluginId
from optifire.workers.context import hook_order, order_of, temp_folder
from optifire.workers.isolated import remove
from optifire.workers.outcomes import not_made
from optifire.workers.resident import Resident, config_for, hooks_of, not_started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from optifire.core.job import Job
    from optifire.core.ports import Event, Outcome, RunRequest, View
    from optifire.workers.isolated import IsolatedWorker


#: Told a plugin and what became of its process.
Report = Callable[[PluginId, str], None]


def unheard(_: PluginId, __: str) -> None:
    """Tell nobody what became of a process."""


@dataclass(slots=True)
class _Place:
    """Where the resident of one plugin stands, one thing at a time."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    resident: Resident | None = None
    trouble: Failure | None = None


class ResidentWorker:
    """Makes attempts in processes that live on, one for each plugin, one attempt at a time.

    A process is started for the first run of a plugin, or ahead of it where `Tending` asks for it;
    it is replaced when it died, when a run was stopped or cancelled, when code, configuration or
    budget are no longer those it was started with, and when it has grown too much.

    Parameters
    ----------
    isolated
        Whose zygotes and whose watch over limits are used.
    now
        Gives the instant that hooks are told.
    view
        Gives a hook that begins outside a run what a run would see.
    report
        Is told a plugin and what became of its process.
    """

    name = "resident"

    def __init__(
        self,
        isolated: IsolatedWorker,
        now: Callable[[], datetime],
        view: Callable[[PluginId], AbstractAsyncContextManager[View | None]],
        report: Report = unheard,
    ) -> None:
        self._isolated = isolated
        self._now = now
        self._view = view
        self._report = report
        self._places: dict[PluginId, _Place] = {}
        #: Set whenever a process has gone that may be wanted.
        self.changed = asyncio.Event()

    @property
    def standing(self) -> Mapping[PluginId, Resident]:
        """Give the processes there are, by plugin."""
        return {
            plugin_id: place.resident
            for plugin_id, place in self._places.items()
            if place.resident is not None
        }

    @property
    def troubles(self) -> Mapping[PluginId, Failure]:
        """Give why plugins that should stand do not."""
        return {
            plugin_id: place.trouble
            for plugin_id, place in self._places.items()
            if place.trouble is not None
        }

    def pids(self) -> list[int]:
        """Give the process ids of those that stand."""
        return [each.pid for each in self.standing.values() if each.alive and each.pid]

    async def start(self) -> None:
        """Make ready: there is nothing to be done before the first run."""

    # --- runs and events -------------------------------------------------------------------

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt in the plugin's process; cancelling it ends that process."""
        job, files = request.job, self._isolated.files
        place = self._places.setdefault(job.plugin_id, _Place())
        async with place.turn:
            try:
                order = order_of(request, files, config_for(job, place.resident))
                failure = await self._enter(place, job, request.view)
                if failure is not None or place.resident is None:
                    assert failure is not None  # noqa: S101 - there is one or the other
                    return not_started(failure)
            except OptifireError as error:
                return not_made(error)
            outcome: Outcome | None = None
            try:
                outcome = await place.resident.run(request, order)
                return outcome
            finally:
                await self._after(place, outcome)
                remove(temp_folder(files, request.run_id, request.attempt))

    async def tell(self, job: Job, event: Event, at: datetime) -> None:
        """Give an event to ``handle_event`` of a plugin, after what it is at; report a failure."""
        place = self._places.setdefault(job.plugin_id, _Place())
        async with AsyncExitStack() as stack:
            if not job.schedule.continuous:  # a stream hears events while it runs
                await stack.enter_async_context(place.turn)
                if place.trouble is None:
                    await self._ensure(place, job)
            if place.resident is None:
                why = place.trouble.message if place.trouble is not None else "it does not stand"
                self._report(job.plugin_id, f"was not told {event.name}: {why}")
                return
            failure = await place.resident.tell(event, at)
        if failure is not None:
            said = f"handle_event({event.name!r}) failed: {failure.type}: {failure.message}"
            self._report(job.plugin_id, said)
            self.changed.set()

    async def _ensure(self, place: _Place, job: Job) -> Failure | None:
        """Have the process of a job stand without a run; gives why it does not."""
        if place.resident is not None and place.resident.alive and place.resident.serves(job):
            return None
        async with self._view(job.plugin_id) as view:
            return await self._enter(place, job, view)

    async def _enter(self, place: _Place, job: Job, view: View | None) -> Failure | None:
        """Have the process of a job stand; gives why it does not."""
        resident = place.resident
        if resident is not None and resident.alive and resident.serves(job):
            return None
        if resident is not None:
            await self._drop(place, resident)
        link = await self._isolated.link_for(job)
        limits = limits_for(job.budget, light=not link.settings.modules)
        live = link.fork(folder=job.code.folder, checksum=job.code.checksum)
        isolated = self._isolated
        fresh = Resident(job, live, isolated.watching, limits, isolated.outward, self._gone)
        try:
            order = hook_order(job, self._isolated.files, self._now())
            failure = await fresh.enter(order, view)
        except BaseException:
            await fresh.end()
            raise
        place.trouble = failure
        if failure is not None:
            await fresh.end()
            return failure
        place.resident = fresh
        return None

    def _gone(self, resident: Resident) -> None:
        """Take note that a process has ended between two runs."""
        self._report(resident.job.plugin_id, resident.why_gone("no run was in progress").message)
        self.changed.set()

    async def _after(self, place: _Place, outcome: Outcome | None) -> None:
        """Let a process go that cannot or should not make another run."""
        resident = place.resident
        if resident is None:
            return
        stopped = outcome is None or outcome.status is RunStatus.OVER_BUDGET
        if stopped or not resident.alive:
            place.resident = None
            await resident.end()
            self.changed.set()
        elif resident.grown:
            self._report(resident.job.plugin_id, f"is started anew: {resident.grown}")
            await self._drop(place, resident)
            self.changed.set()

    async def _drop(self, place: _Place, resident: Resident) -> None:
        """End a process with its last hooks."""
        place.resident = None
        failure = await resident.leave()
        if failure is not None and hooks_of(resident.job):
            said = f"did not stop well: {failure.type}: {failure.message}"
            self._report(resident.job.plugin_id, said)

    # --- from start to stop ----------------------------------------------------------------

    async def ensure(self, job: Job) -> str | None:
        """Have a plugin stand; gives why it does not. None: it is at something, ask again after it.

        One that something is asked of is settled by that.
        """
        place = self._places.setdefault(job.plugin_id, _Place())
        if place.turn.locked():
            return None
        async with place.turn:
            try:
                failure = await self._ensure(place, job)
            except OptifireError as error:
                return str(error)
        return "" if failure is None else f"{failure.type}: {failure.message}"

    async def release(self, plugin_id: PluginId) -> None:
        """End the process of a plugin with its last hooks, after what it is at."""
        place = self._places.get(plugin_id)
        if place is not None:
            async with place.turn:
                if place.resident is not None:
                    await self._drop(place, place.resident)
                place.trouble = None

    async def stop(self, first: Sequence[PluginId] = ()) -> None:
        """End every process with its last hooks, the first of these first; none is left behind."""
        for plugin_id in dict.fromkeys((*first, *self._places)):
            place = self._places.get(plugin_id)
            if place is not None and place.resident is not None:
                await self._drop(place, place.resident)


@asynccontextmanager
async def blind(_: PluginId) -> AsyncIterator[View | None]:
    """Give a hook nothing to see."""
    yield None
