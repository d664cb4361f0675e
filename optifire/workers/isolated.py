"""`IsolatedWorker`: one forked process for each attempt, from zygotes that imported beforehand."""

from __future__ import annotations

import asyncio
import os
import shutil
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from optifire.core.errors import OptifireError, PluginFault
from optifire.core.limits import limits_for
from optifire.core.run import RunKind
from optifire.workers import messages as say
from optifire.workers.compiled import PACKAGE_FOLDER
from optifire.workers.context import order_of, temp_folder
from optifire.workers.describing import understood
from optifire.workers.fetching import Fetches
from optifire.workers.floor import Floors
from optifire.workers.live import ended
from optifire.workers.outcomes import not_made, shared_bytes, usage_of, within, without_answer
from optifire.workers.outward import Outward
from optifire.workers.printed import with_loss
from optifire.workers.questions import answered
from optifire.workers.watching import Groups, Watching
from optifire.workers.wire import encode_value
from optifire.workers.zygotes import WorkerSettings, Zygotes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from optifire.core.job import Job
    from optifire.core.ports import Description, Outcome, RunRequest
    from optifire.workers.floor import Floor
    from optifire.workers.link import Link
    from optifire.workers.live import Live

__all__ = ["IsolatedWorker", "WorkerSettings"]

#: Seconds that loading and describing one plugin may take.
DESCRIBE_TIMEOUT: Final = 30.0
#: Numbers of questions, for the folders that plugins have while they are asked.
_QUESTIONS: Final = count(1)


class IsolatedWorker:
    """Makes each attempt in a process of its own; also the `Describer` of the service.

    ``outward`` is what fetches for plugins.
    """

    name = "isolated"

    def __init__(
        self,
        settings: WorkerSettings,
        outward: Outward | None = None,
        groups: Groups | None = None,
    ) -> None:
        self.zygotes = Zygotes(settings)
        self.outward = outward or Outward()
        self.watching = Watching(groups)
        self._floors = Floors()

    async def start(self) -> None:
        """Start the light zygote; raises `OptifireError` when this machine cannot."""
        link = await self.zygotes.light()
        await self._floors.of(link)
        self._floors.prepare(link)

    async def warm(self, modules: Sequence[str] = ()) -> None:
        """Start a data zygote with these modules ahead of the run that needs it."""
        self._floors.prepare(await self.zygotes.data(tuple(modules)))

    async def ready(self, modules: Sequence[str]) -> None:
        """Have the zygote for these modules stand, the light one without any, and be measured."""
        self._floors.prepare(await self.zygotes.for_modules(tuple(modules)))

    def watch(self, word: int | None) -> None:
        """Have the service's own loop watched (see `loopguard`); None: no longer."""
        self.zygotes.watch(word)

    @property
    def files(self) -> Path:
        """Give the folder under which plugins have their own."""
        return self.zygotes.files

    async def link_for(self, job: Job) -> Link:
        """Give the zygote for a job; raises `OptifireError` when there can be none."""
        return await self.zygotes.for_modules(job.code.modules)

    @property
    def watched(self) -> int:
        """How many runs are held to limits right now."""
        return len(self.watching)

    def zygote_pids(self) -> list[int]:
        """Give the process ids of the zygotes that live, for who watches the machine."""
        return self.zygotes.pids()

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt in a process of its own; it is gone when this returns or is cancelled.

        That is a spare, if there is one; another one if that dies before it has taken the order,
        or the zygote before it has made one, which is nothing that the plugin did.
        """
        outcome: Outcome | None = None
        while outcome is None:
            try:
                order = order_of(request, self.zygotes.files)
                link = await self.link_for(request.job)
                if not request.replay or request.key.kind is RunKind.BACKFILL:
                    order.limits = limits_for(request.job.budget, light=not link.settings.modules)
                live = _child(link, order)
            except OptifireError as error:
                return not_made(error)
            outcome = await self._conduct(live, link, order, request)
        return outcome

    async def _conduct(
        self, live: Live, link: Link, order: say.Order, request: RunRequest
    ) -> Outcome | None:
        """Make one attempt in a process, which is gone after that; None if it never began."""
        floor = self._floors.of(link, ahead=live.ahead)
        fetches = Fetches(self.outward, live.talk, request.job)
        try:
            return await conduct(live, order, request, self.watching, floor, fetches)
        finally:
            await fetches.close()
            self.watching.drop(live)
            await ended(live)
            remove(temp_folder(self.zygotes.files, request.run_id, request.attempt))

    async def describe(self, folder: str) -> Description:
        """Load the plugin of a folder in a process of its own and ask it.

        Raises `PluginFault` with file and line when it cannot be loaded or what it says is not
        plain.
        """
        said = await self._ask(say.Describe(folder, _scratch(folder, self.files)), folder)
        if not isinstance(said, say.Described):
            raise _no_answer(folder, "gave no description")
        return understood(said)

    async def accept(self, folder: str, config: Mapping[str, Any]) -> None:
        """Have a plugin check its configuration in a process of its own.

        Raises `PluginFault` with what the plugin says against it.
        """
        encoded = encode_value(config, f"{folder}: config")
        said = await self._ask(say.Accept(folder, encoded, _scratch(folder, self.files)), folder)
        if not isinstance(said, say.Accepted):
            raise _no_answer(folder, "said nothing of its configuration")

    async def _ask(self, question: say.Describe | say.Accept, folder: str) -> say.FromChild:
        """Give what a fresh process answers; raises `PluginFault` when that is a fault."""
        link = self.zygotes.any() or await self.zygotes.light()
        live = link.fork()
        said: say.FromChild | None = None
        try:
            live.stop_after(DESCRIBE_TIMEOUT)
            live.talk.send(question)
            while (message := await live.talk.next()) is not None:
                if isinstance(message, say.Described | say.Accepted | say.Faulty):
                    said = message
                    live.answered()
        finally:
            await ended(live)
            remove(question.scratch)
        if isinstance(said, say.Faulty):
            raise said.error()
        if said is None:
            late = live.overdue
            what = f"took longer than {DESCRIBE_TIMEOUT:g} s" if late else "ended its process"
            raise _no_answer(folder, what)
        return said

    async def stop(self) -> None:
        """End every run and both zygotes; no process is left behind."""
        await self._floors.stop()
        await self.zygotes.close()


async def conduct(
    live: Live,
    order: say.Order,
    request: RunRequest,
    watching: Watching,
    floor: asyncio.Future[Floor],
    fetches: Fetches,
) -> Outcome | None:
    """Hand an order to a child and give its outcome, with what it used and printed.

    None when it was forked ahead and died before it took the order, or was never forked.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    live.stop_after(request.timeout)
    live.talk.send(order)
    started: say.Started | None = None
    done: say.Done | None = None
    while (message := await live.talk.next()) is not None:
        if isinstance(message, say.Started):
            if started is None:  # a second one would be the plugin's, to move its measure
                started = message
                before = message.cpu + (floor.result().attempt if floor.done() else 0.0)
                had = message.rss, message.shared
                watching.begin(live, order.limits, held=had, cpu=before)
        elif isinstance(message, say.Done):
            done = message
            live.answered()
        elif isinstance(message, say.Question):
            await answered(live, message, request.view)
        elif isinstance(message, say.AskFetch):
            fetches.begin(message, replay=request.replay)
    if (live.ahead or live.unborn) and started is None and live.stopping is None:
        return None
    wall = loop.time() - began
    watching.settle(live)
    outcome = done.outcome if done is not None else without_answer(live, request)
    own = done.cpu if done is not None else None
    more = shared_bytes(live, started, done)
    outcome.usage = usage_of(live.ended.result(), started, wall, await floor, own, more)
    outcome.log = with_loss(live.log(), done.lost if done is not None else 0)
    return within(outcome, live, order.limits)


def _child(link: Link, order: say.Order) -> Live:
    """Give a spare that has the plugin's code ready, else a fresh child that has."""
    spare = link.spares.take(order.folder, order.checksum)
    return spare or link.fork(folder=order.folder, checksum=order.checksum)


def _scratch(folder: str, files: Path) -> str:
    """Name the folder that a plugin has while it is asked, empty for one without a sandbox.

    What came with OptiFIRE is trusted; of all else nobody has decided anything yet.
    """
    if os.path.realpath(folder).startswith(f"{PACKAGE_FOLDER}/"):
        return ""
    return f"{files}/tmp/.asked/{os.getpid()}.{next(_QUESTIONS)}"  # noqa: S108 - a folder of the home


def remove(folder: str) -> None:
    """Remove a folder that an attempt may have made."""
    if os.access(folder, os.F_OK):  # of thousands of runs hardly one has made it
        shutil.rmtree(folder, ignore_errors=True)


def _no_answer(folder: str, what: str) -> PluginFault:
    return PluginFault(
        f"loading the plugin {what}",
        where=f"{folder}/impl.py",
        remedy="Do nothing at import and in describe() but say what the plugin is",
    )
