"""`IsolatedWorker`: one forked process for each attempt, from zygotes that imported beforehand."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from optifire.core.budget import Measured, Usage
from optifire.core.errors import OptifireError, PluginFault
from optifire.core.job import Effect
from optifire.core.ports import Description, Outcome
from optifire.core.run import Failure, Reason, RunStatus
from optifire.workers import messages as say
from optifire.workers.context import order_of, temp_folder
from optifire.workers.link import Link
from optifire.workers.live import Live
from optifire.workers.printed import with_loss
from optifire.workers.questions import answered
from optifire.workers.wire import decode_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.ports import RunRequest

_MIB: Final = float(1 << 20)
#: What every data zygote imports, whatever the plugins ask for.
BASE_MODULES: Final = ("numpy", "pandas")
#: Seconds that loading and describing one plugin may take.
DESCRIBE_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What isolated and pooled workers are made with.

    Attributes
    ----------
    home
        Whose ``data/`` holds the user's series.
    files
        Where plugins have their own folders, and compiled code is kept.
    warm
        The series that a data zygote loads beforehand; None: all built-in ones.
    aliases, symbol
        Symbols that stand for others, and the one behind ``market_data``.
    replay
        True: recorded data is not looked at again once it is loaded.
    """

    home: Path
    files: Path
    warm: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    symbol: str = "SPY"
    replay: bool = False

    def child(self, modules: Sequence[str]) -> say.ChildSettings:
        """Give what a zygote with these modules is told."""
        return say.ChildSettings(
            home=str(self.home),
            modules=tuple(modules),
            warm=self.warm,
            aliases=dict(self.aliases),
            symbol=self.symbol,
            replay=self.replay,
        )


class Zygotes:
    """The two zygotes of a service, started when needed, and again when they have died."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._links: list[Link] = []
        self._light: Link | None = None
        self._data: Link | None = None
        self._starting = asyncio.Lock()

    async def light(self) -> Link:
        """Give the zygote that has imported nothing but this package."""
        async with self._starting:
            if self._light is None or not self._light.alive:
                self._light = await self._start(())
            return self._light

    async def data(self, modules: tuple[str, ...]) -> Link:
        """Give a zygote that has imported these modules.

        When they are more than it has, a new one is started first; the old one ends with its last
        child.
        """
        async with self._starting:
            link = self._data
            if link is not None and link.alive and link.covers(modules):
                return link
            known = link.settings.modules if link is not None else BASE_MODULES
            self._data = await self._start(tuple(dict.fromkeys((*known, *modules))))
            if link is not None:
                link.retire()
            return self._data

    def any(self) -> Link | None:
        """Give the data zygote if there is one, else the light one."""
        for link in (self._data, self._light):
            if link is not None and link.alive:
                return link
        return None

    async def for_modules(self, modules: tuple[str, ...]) -> Link:
        """Give the zygote for a job whose files import these modules at the top."""
        return await (self.data(modules) if modules else self.light())

    async def close(self) -> None:
        """End all of them."""
        async with self._starting:
            links, self._links = self._links, []
            for link in links:
                await link.close()
            self._light = self._data = None

    async def _start(self, modules: tuple[str, ...]) -> Link:
        for old in [link for link in self._links if link.gone]:
            self._links.remove(old)
            await old.close()
        self._settings.files.mkdir(parents=True, exist_ok=True)
        link = Link(self._settings.child(modules), self._settings.files)
        await link.start()
        self._links.append(link)
        return link


class IsolatedWorker:
    """Makes each attempt in a process of its own; also the `Describer` of the service."""

    name = "isolated"

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._zygotes = Zygotes(settings)

    async def start(self) -> None:
        """Start the light zygote; raises `OptifireError` when this machine cannot."""
        await self._zygotes.light()

    async def warm(self, modules: Sequence[str] = ()) -> None:
        """Start a data zygote with these modules ahead of the run that needs it."""
        await self._zygotes.data(tuple(modules))

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt in a fresh process; it is gone when this returns or is cancelled."""
        try:
            order = order_of(request, self._settings.files)
            link = await self._zygotes.for_modules(request.job.code.modules)
        except OptifireError as error:
            return not_made(error)
        live = link.fork()
        try:
            return await conduct(live, order, request)
        finally:
            await ended(live)
            remove(temp_folder(self._settings.files, request.run_id, request.attempt))

    async def describe(self, folder: str) -> Description:
        """Load the plugin of a folder in a process of its own and ask it.

        Raises `PluginFault` with file and line when it cannot be loaded or what it says is not
        plain.
        """
        link = self._zygotes.any() or await self._zygotes.light()
        live = link.fork()
        try:
            live.stop_after(DESCRIBE_TIMEOUT)
            live.send(say.Describe(folder))
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
    live.send(order)
    rss, done = 0, None
    while (message := await live.next()) is not None:
        if isinstance(message, say.Started):
            rss = message.rss
        elif isinstance(message, say.Done):
            done = message
            live.answered()
        elif isinstance(message, say.Question):
            await answered(live, message, request.view)
    exit_ = live.ended.result()
    outcome = done.outcome if done is not None else _without_answer(live, exit_, request)
    outcome.usage = _usage(exit_, rss, loop.time() - began)
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


def remove(folder: Path) -> None:
    """Remove a folder that an attempt may have made."""
    if folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)


def not_made(error: OptifireError) -> Outcome:
    """Give the outcome of an attempt that could not be started."""
    failure = Failure(type(error).__name__, str(error), retryable=error.retryable)
    return Outcome(RunStatus.FAILED, Reason("not started", str(error)), failure=failure)


def timed_out(request: RunRequest) -> Outcome:
    """Give the outcome of an attempt that took too long; of an effectful one nobody can tell."""
    said = f"took longer than its timeout of {request.timeout:g} s"
    effectful = request.job.effect is Effect.EFFECTFUL
    status = RunStatus.UNKNOWN if effectful else RunStatus.TIMED_OUT
    return Outcome(status, Reason("timeout", said), failure=Failure("RunTimeoutError", said))


def crashed(code: str, detail: str) -> Outcome:
    """Give the outcome of an attempt whose process ended without an answer."""
    failure = Failure("WorkerCrashed", detail)
    return Outcome(RunStatus.CRASHED, Reason(code, detail), failure=failure)


def _without_answer(live: Live, exit_: say.Ended | None, request: RunRequest) -> Outcome:
    if live.overdue:
        return timed_out(request)
    if live.garbage:
        return crashed("garbage", f"what it sent is no answer: {live.garbage}")
    if exit_ is None:
        return crashed("zygote", live.why_lost)
    if os.WIFSIGNALED(exit_.status):
        number = os.WTERMSIG(exit_.status)
        return crashed("signal", f"killed by {_signal_name(number)}")
    return crashed("exit", f"ended with code {os.waitstatus_to_exitcode(exit_.status)}, no answer")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal has no name of its own


def _usage(exit_: say.Ended | None, rss: int, wall: float) -> Usage:
    """Give what the kernel summed up; peak memory is what lies above that of the first line."""
    if exit_ is None:
        return Usage(wall_ms=wall * 1e3)
    grown = max(0, exit_.peak - rss) / _MIB if rss else None
    return Usage(exit_.cpu * 1e3, grown, wall * 1e3, Measured.METERED)


async def _description(live: Live, folder: str) -> Description:
    said: say.Described | say.Faulty | None = None
    while (message := await live.next()) is not None:
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
