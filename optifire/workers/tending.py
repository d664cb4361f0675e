"""Has the processes of some plugins stand from start to stop, also between their runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.job import Job
    from optifire.core.types import PluginId
    from optifire.workers.residents import Report, ResidentWorker

#: Seconds until a plugin that could not be started is tried again: twice as long each time.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0


class Tending:
    """Starts, keeps and ends residents as they are wanted.

    Parameters
    ----------
    worker
        Holds the processes.
    report
        Is told a plugin and why it could not be started.
    """

    def __init__(self, worker: ResidentWorker, report: Report) -> None:
        self._worker = worker
        self._report = report
        self._wanted: dict[PluginId, Job] = {}
        self._pauses: dict[PluginId, float] = {}

    def keep(self, jobs: Mapping[PluginId, Job]) -> None:
        """Have these plugins stand from now on, and no others; `run` sees to it."""
        self._wanted = dict(jobs)
        self._worker.changed.set()

    async def run(self) -> None:
        """See to it that those wanted stand and others do not, for as long as this goes on.

        One that cannot be started is tried again after a second, then after twice as long each
        time up to five minutes.
        """
        loop, changed = asyncio.get_running_loop(), self._worker.changed
        while True:
            await changed.wait()
            changed.clear()
            for plugin_id in [each for each in self._worker.standing if each not in self._wanted]:
                await self._worker.release(plugin_id)
            pauses = [await self._settle(job) for job in list(self._wanted.values())]
            if any(pauses):
                loop.call_later(min(filter(None, pauses)), changed.set)

    async def _settle(self, job: Job) -> float:
        """Have one plugin stand; gives seconds until it is to be tried again, 0 if it stands."""
        why, plugin_id = await self._worker.ensure(job), job.plugin_id
        if not why:
            if why is not None and self._pauses.pop(plugin_id, None) is not None:
                self._report(plugin_id, "is started, which it could not be before")
            return 0.0
        pause = self._pauses.get(plugin_id, FIRST_PAUSE)
        self._pauses[plugin_id] = min(2 * pause, LONGEST_PAUSE)
        self._report(plugin_id, f"could not be started, next try in {pause:g} s: {why}")
        return pause
