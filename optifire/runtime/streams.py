"""Keeps streams running: started with the engine, and again whenever they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from optifire.core.firing import CONTINUOUS, Firing
from optifire.runtime.orchestrator import EVENT_GRACE
from optifire.runtime.overlap import Manner

if TYPE_CHECKING:
    from optifire.core.job import Job
    from optifire.core.ports import Clock
    from optifire.core.types import PluginId
    from optifire.runtime.overlap import LiveRuns
    from optifire.runtime.pauses import Pauses

#: Seconds before a stream that has ended runs again: twice as long each time, up to the longest,
#: and from the first anew after one that lived for a minute.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
LONG_LIFE: Final = 60.0

#: Brings firings of one cycle, and the turns that follow it, to their records.
Conduct = Callable[[Sequence[Firing]], Callable[[], Awaitable[None]]]
#: Runs something as a supervised task.
Spawn = Callable[[str, Callable[[], Awaitable[None]]], object]


class Streams:
    """All streams of an engine.

    Parameters
    ----------
    live
        The runs in progress, streams among them.
    clock
        Gives the due instants of their runs.
    conduct
        Brings a run to its record.
    pauses
        Who is paused, and has no stream.
    """

    def __init__(
        self, live: LiveRuns, clock: Clock, conduct: Conduct, pauses: Pauses | None = None
    ) -> None:
        self._live = live
        self._clock = clock
        self._conduct = conduct
        self._pauses = pauses
        self._again: Callable[[], None] = lambda: None
        self._jobs: Mapping[PluginId, Job] = {}
        self._kept: set[PluginId] = set()
        self._stopping = asyncio.Event()

    def apply(self, jobs: Mapping[PluginId, Job], spawn: Spawn) -> None:
        """Have the streams among these jobs run, and no others; one that has changed ends first."""
        if self._clock.timeless:
            return  # a replay has no streams: nothing in it goes on by itself
        self._again = partial(self.apply, jobs, spawn)
        paused = {each for each in jobs if self._pauses is not None and self._pauses.of(each)}
        before = self._jobs
        self._jobs = {
            each: job
            for each, job in jobs.items()
            if job.schedule.continuous and each not in paused
        }
        for plugin_id, job in before.items():
            now = self._jobs.get(plugin_id)
            if now is None:
                what = "paused" if plugin_id in paused else "switched off"
                self._end(plugin_id, f"it was {what}")
            elif (now.code, now.config_hash) != (job.code, job.config_hash):
                self._end(plugin_id, "its code or configuration has changed")
        for plugin_id in self._jobs.keys() - self._kept:
            self._kept.add(plugin_id)
            spawn(f"stream {plugin_id}", partial(self._keep, plugin_id))

    def refresh(self) -> None:
        """Look again at who is paused: theirs end, and those of who no longer is begin."""
        self._again()

    def stop(self) -> None:
        """End all of them."""
        self._stopping.set()
        for plugin_id in self._jobs:
            self._end(plugin_id, "the service is stopping")

    def _end(self, plugin_id: PluginId, why: str) -> None:
        for run in self._live.all():
            if run.firing.job.plugin_id == plugin_id and run.firing.trigger == CONTINUOUS:
                run.end(why, Manner.GRACE)

    async def _keep(self, plugin_id: PluginId) -> None:
        """Make one run of a stream after the other, for as long as it is wanted."""
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        try:
            while (job := self._jobs.get(plugin_id)) is not None and not self._stopping.is_set():
                began = loop.time()
                firing = Firing(job, self._clock.now(), CONTINUOUS, EVENT_GRACE)
                await self._conduct([firing])()
                if self._jobs.get(plugin_id) is not job:
                    pause = FIRST_PAUSE
                    continue
                if loop.time() - began > LONG_LIFE:
                    pause = FIRST_PAUSE
                await self._rest(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._kept.discard(plugin_id)

    async def _rest(self, seconds: float) -> None:
        """Let some time pass, but none once the service is stopping."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        resting = asyncio.ensure_future(self._clock.pause(seconds))
        try:
            await asyncio.wait({stopping, resting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            resting.cancel()
