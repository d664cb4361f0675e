"""What the service and one resident say to each other, and the watch over its process."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from typing import TYPE_CHECKING, Any

from optifire.core.errors import OptifireError, PluginFault
from optifire.workers import messages as say
from optifire.workers.live import ended
from optifire.workers.questions import answered, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from optifire.core.limits import Limits
    from optifire.core.ports import Commit, View
    from optifire.workers.fetching import Fetches
    from optifire.workers.live import Live
    from optifire.workers.watching import Watched, Watching


class Dialogue:
    """Asks a child one thing of each kind at a time, and answers what the child asks meanwhile.

    Attributes
    ----------
    live
        The child.
    rss, shared
        Its resident bytes before its plugin was loaded, and those of them in files.
    view, commit
        What answers the questions of the run in progress, and what records the parts of a stream.
    on_gone
        Called when the process ends while nothing is asked of it.
    """

    def __init__(self, live: Live, watching: Watching, limits: Limits, fetches: Fetches) -> None:
        self.live = live
        self._fetches = fetches
        self.rss = self.shared = 0
        self.view: View | None = None
        self.commit: Commit | None = None
        self.on_gone: Callable[[], None] = lambda: None
        self._watching = watching
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._answers: dict[type[Any], asyncio.Future[Any]] = {}
        self._watched: Watched | None = None
        self._deadline = self._window = math.inf
        self._ending = self._closed = False
        self._asked: asyncio.Queue[say.Question | say.Commit | None] = asyncio.Queue()
        self._answering = self._loop.create_task(self._answer_all())
        live.talk.deliver = self._hear

    @property
    def alive(self) -> bool:
        """Tell whether anything can be asked."""
        return not (self._ending or self.live.ended.done() or self.live.stopping is not None)

    @property
    def busy(self) -> bool:
        """Tell whether something is asked now."""
        return bool(self._answers)

    def cpu(self) -> float:
        """Give the processor seconds that the process has had so far."""
        if not self.live.pid:
            return 0.0
        try:
            return time.clock_gettime((~self.live.pid << 3) | 2)  # clock_getcpuclockid(3)
        except OSError:  # it has just ended
            return 0.0

    def waited(self) -> float:
        """Give the processor seconds of all that the process has started and waited for so far."""
        return self._watching.waited(self.live)

    async def ask(
        self,
        message: say.ToChild,
        answer: type[Any],
        seconds: float,
        *,
        window: float = math.inf,
        kill: bool = True,
        cpu: float | None = None,
    ) -> Any:  # noqa: ANN401 - of the type that was asked for
        """Send a message and give the answer to it, None when the process has ended instead.

        The process is held to its limits meanwhile, and ends when it takes too long or, with
        ``kill``, when nobody waits any more. ``cpu`` is the processor seconds it has had so far,
        where that is known already: asking the kernel takes longer than most of what is here.
        """
        live = self.live
        if live.ended.done():
            return None
        future: asyncio.Future[Any] = self._loop.create_future()
        alone = not self._answers
        self._answers[answer] = future
        if alone:
            self._busy(seconds, window, cpu)
        live.talk.send(message)
        try:
            return await future
        except asyncio.CancelledError:
            if kill:
                live.stop(signal.SIGKILL)
            raise
        finally:
            del self._answers[answer]
            if not self._answers and self._watched is not None:
                self._watching.rest(self._watched)

    def _busy(self, seconds: float, window: float, cpu: float | None = None) -> None:
        """Have the process watched closely, from now on or as soon as it is there."""
        self._deadline, self._window = self._loop.time() + seconds, window
        watched = self._watched
        if watched is not None:
            watched.deadline, watched.window = self._deadline, window
            watched.since, watched.cpu = self._loop.time(), self.cpu() if cpu is None else cpu
            self._watching.wake(watched)

    def _begun(self, message: say.Started) -> None:
        """Take note of what the process had before its plugin, and watch it from now on."""
        if not self.live.pid:  # the zygote has not told yet which process it is
            self.live.on_forked = lambda: self._begun(message)
        elif self._watched is None:
            self.rss, self.shared = message.rss, message.shared
            self._watched = self._watching.stay(
                self.live, self._limits, held=(self.rss, self.shared)
            )
            if self._answers:
                self._busy(self._deadline - self._loop.time(), self._window)

    def _hear(self, message: say.FromChild | None) -> None:
        """Take in one message of the child; None: it has ended, and this was all."""
        if message is None:
            self._gone()
        elif (future := self._answers.get(type(message))) is not None:
            if not future.done():
                future.set_result(message)
        elif isinstance(message, say.Started):
            self._begun(message)
        elif isinstance(message, say.AskFetch):
            self._fetches.begin(message)
        elif isinstance(message, say.Question | say.Commit):
            self._asked.put_nowait(message)

    def _gone(self) -> None:
        """Tell who waits that there will be no answer."""
        self._asked.put_nowait(None)
        self._watching.settle(self.live)
        self._watching.drop(self.live)
        self._watched = None
        for future in self._answers.values():
            if not future.done():
                future.set_result(None)
        if not self._answers and not self._ending:
            self.on_gone()

    async def _answer_all(self) -> None:
        """Answer what the child asks, until it has ended."""
        while (message := await self._asked.get()) is not None:
            if isinstance(message, say.Commit):
                await self._write(message)
            else:
                await self._answer(message)

    async def _answer(self, question: say.Question) -> None:
        if self.view is None:
            self.live.talk.send(refused("no run is in progress: there is nothing to be seen"))
        else:
            await answered(self.live, question, self.view)

    async def _write(self, part: say.Commit) -> None:
        """Have a part of a stream recorded, and tell the stream."""
        try:
            if self.commit is None:
                raise PluginFault("no stream is in progress", where="context.commit()")
            await self.commit(part.outcome)
        except OptifireError as error:
            self.live.talk.send(say.Committed((error.message, error.where, error.remedy)))
        else:
            self.live.talk.send(say.Committed())

    def leaving(self) -> None:
        """Take note that the process is to end: its end is no news then."""
        self._ending = True

    async def end(self) -> None:
        """End the process at once; it is gone when this returns."""
        self._ending = True
        if self._closed:
            return
        self._closed = True
        try:
            await self._fetches.close()
            await ended(self.live)
        finally:
            await asyncio.wait({self._answering})
