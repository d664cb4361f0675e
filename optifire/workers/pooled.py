"""`PooledWorker`: processes that live on and make one attempt after another, for replays."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from optifire.core.budget import Measured, Usage
from optifire.core.errors import OptifireError
from optifire.workers import messages as say
from optifire.workers.context import order_of, temp_folder
from optifire.workers.fetching import not_in_replay
from optifire.workers.isolated import WorkerSettings, remove
from optifire.workers.live import ended
from optifire.workers.outcomes import not_made, usage_of, without_answer
from optifire.workers.printed import with_loss
from optifire.workers.questions import answered
from optifire.workers.zygotes import Zygotes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.ports import Outcome, RunRequest
    from optifire.workers.live import Live


class PooledWorker:
    """Makes attempts in a few processes that load each plugin once.

    Every attempt has a fresh instance and its own seeds; what a plugin keeps in its modules
    outlives a run here, as it does not in `IsolatedWorker`. A process that died, was stopped or
    whose attempt was cancelled is replaced.

    Parameters
    ----------
    size
        How many processes; as many attempts go on at once, the others wait.
    modules
        What the plugins import at the top, imported before the processes are forked; with none
        they are light.
    """

    name = "pooled"

    def __init__(self, settings: WorkerSettings, *, size: int, modules: Sequence[str] = ()) -> None:
        self._zygotes = Zygotes(settings)
        self._modules = tuple(modules)
        self._idle: list[Live] = []
        self._size = size
        self._room = asyncio.Semaphore(size)

    async def start(self) -> None:
        """Start zygote and processes; raises `OptifireError` when this machine cannot."""
        link = await self._zygotes.for_modules(self._modules)
        self._idle = [link.fork(pooled=True) for _ in range(self._size)]

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt in a process that is free, when there is one."""
        try:
            order = order_of(request, self._zygotes.files)
        except OptifireError as error:
            return not_made(error)
        async with self._room:
            try:
                live = await self._take()
            except OptifireError as error:
                return not_made(error)
            whole = False
            try:
                outcome, whole = await _conduct(live, order, request)
            finally:
                if whole:
                    self._idle.append(live)
                else:
                    await ended(live)
                remove(temp_folder(self._zygotes.files, request.run_id, request.attempt))
            return outcome

    async def stop(self) -> None:
        """End every process; none is left behind."""
        idle, self._idle = self._idle, []
        for live in idle:
            live.stop(signal.SIGKILL)
        for live in idle:
            await ended(live)
        await self._zygotes.close()

    async def _take(self) -> Live:
        """Give a process that lives, a new one where none does."""
        while self._idle:
            live = self._idle.pop()
            if not live.ended.done():
                return live
            await ended(live)
        return (await self._zygotes.for_modules(self._modules)).fork(pooled=True)


async def _conduct(live: Live, order: say.Order, request: RunRequest) -> tuple[Outcome, bool]:
    """Hand over an order; gives the outcome, and whether the process can take another."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    live.stop_after(request.timeout)
    live.talk.send(order)
    while (message := await live.talk.next()) is not None:
        if isinstance(message, say.Done):
            live.disarm()
            outcome = message.outcome
            wall = (loop.time() - began) * 1e3
            outcome.usage = Usage(message.cpu * 1e3, None, wall, Measured.METERED)
            outcome.log = with_loss(live.log(), message.lost)
            return outcome, not live.overdue
        if isinstance(message, say.Question):
            await answered(live, message, request.view)
        elif isinstance(message, say.AskFetch):
            live.talk.send(not_in_replay(message))
    outcome = without_answer(live, request)
    outcome.usage = usage_of(None, None, loop.time() - began)
    outcome.log = live.log()
    return outcome, False
