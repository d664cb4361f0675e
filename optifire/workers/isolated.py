"""`IsolatedWorker`: one forked process for each attempt, from zygotes that imported beforehand."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from typing import TYPE_CHECKING, Final

from optifire.core.errors import OptifireError, PluginFault
from optifire.core.ports import Description, Outcome
from optifire.workers import messages as say
from optifire.workers.context import order_of, temp_folder
from optifire.workers.outcomes import not_made, usage_of, without_answer
from optifire.workers.printed import with_loss
from optifire.workers.questions import answered
from optifire.workers.wire import decode_value
from optifire.workers.zygotes import WorkerSettings, Zygotes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.ports import RunRequest
    from optifire.workers.live import Live

__all__ = ["IsolatedWorker", "WorkerSettings"]

#: Seconds that loading and describing one plugin may take.
DESCRIBE_TIMEOUT: Final = 30.0


class IsolatedWorker:
    """Makes each attempt in a process of its own; also the `Describer` of the service."""

    name = "isolated"

    def __init__(self, settings: WorkerSettings) -> None:
        self._zygotes = Zygotes(settings)

    async def start(self) -> None:
        """Start the light zygote; raises `OptifireError` when this machine cannot."""
        await self._zygotes.light()

    async def warm(self, modules: Sequence[str] = ()) -> None:
        """Start a data zygote with these modules ahead of the run that needs it."""
        await self._zygotes.data(tuple(modules))

    def zygote_pids(self) -> list[int]:
        """Give the process ids of the zygotes that live, for who watches the machine."""
        return self._zygotes.pids()

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt in a fresh process; it is gone when this returns or is cancelled."""
        try:
            order = order_of(request, self._zygotes.files)
            link = await self._zygotes.for_modules(request.job.code.modules)
            live = link.fork(folder=order.folder, checksum=order.checksum)
        except OptifireError as error:
            return not_made(error)
        try:
            return await conduct(live, order, request)
        finally:
            await ended(live)
            remove(temp_folder(self._zygotes.files, request.run_id, request.attempt))

    async def describe(self, folder: str) -> Description:
        """Load the plugin of a folder in a process of its own and ask it.

        Raises `PluginFault` with file and line when it cannot be loaded or what it says is not
        plain.
        """
        link = self._zygotes.any() or await self._zygotes.light()
        live = link.fork()
        try:
            live.stop_after(DESCRIBE_TIMEOUT)
            live.talk.send(say.Describe(folder))
            return await _description(live, folder)
        finally:
            await ended(live)

    async def stop(self) -> None:
        """End every run and both zygotes; no process is left behind."""
        await self._zygotes.close()


async def conduct(live: Live, order: say.Order, request: RunRequest) -> Outcome:
    """Hand an order to a child and give its outcome, with what it used and printed."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    live.stop_after(request.timeout)
    live.talk.send(order)
    rss, done = 0, None
    while (message := await live.talk.next()) is not None:
        if isinstance(message, say.Started):
            rss = message.rss
        elif isinstance(message, say.Done):
            done = message
            live.answered()
        elif isinstance(message, say.Question):
            await answered(live, message, request.view)
    outcome = done.outcome if done is not None else without_answer(live, request)
    outcome.usage = usage_of(live.ended.result(), rss, loop.time() - began)
    outcome.log = with_loss(live.log(), done.lost if done is not None else 0)
    return outcome


async def ended(live: Live) -> None:
    """Kill a child that has not ended, wait until it is gone and let its descriptors go.

    Cancelling this does not shorten it: a process must never be left behind.
    """
    live.stop(signal.SIGKILL)
    cancelled = False
    while not live.ended.done():
        try:
            await asyncio.shield(live.ended)
        except asyncio.CancelledError:
            cancelled = True
    live.close()
    if cancelled:
        raise asyncio.CancelledError


def remove(folder: str) -> None:
    """Remove a folder that an attempt may have made."""
    if os.path.isdir(folder):  # noqa: PTH112 - of thousands of runs hardly one has made it
        shutil.rmtree(folder, ignore_errors=True)


async def _description(live: Live, folder: str) -> Description:
    said: say.Described | say.Faulty | None = None
    while (message := await live.talk.next()) is not None:
        if isinstance(message, say.Described | say.Faulty):
            said = message
            live.answered()
    if isinstance(said, say.Described):
        return Description(
            plugin_id=said.plugin_id,
            class_name=said.class_name,
            metadata=decode_value(said.metadata),
            plan=decode_value(said.plan),
            hooks=said.hooks,
        )
    if said is not None:
        raise said.error()
    late = f"took longer than {DESCRIBE_TIMEOUT:g} s" if live.overdue else "ended its process"
    raise PluginFault(
        f"loading the plugin {late}",
        where=f"{folder}/impl.py",
        remedy="Do nothing at import and in describe() but say what the plugin is",
    )
