"""The child's side of a resident: one instance of a plugin from start to stop, on one loop.

Runs, events and hooks arrive while others go on; who sends them takes care of their order.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ContractError, PluginFault
from optifire.core.ports import Outcome
from optifire.core.run import Failure, Reason, RunStatus
from optifire.sdk.scope import in_scope
from optifire.workers import messages as say
from optifire.workers.asking import Asking
from optifire.workers.attempt import ended_by, failure_of, finished
from optifire.workers.confining import confine, told
from optifire.workers.context import context_of, scope_of
from optifire.workers.effects import Kept
from optifire.workers.limits import take_on
from optifire.workers.loading import instance, load
from optifire.workers.peak import Peak
from optifire.workers.printed import with_loss
from optifire.workers.seeding import reseed
from optifire.workers.statm import in_memory_files

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from optifire.sdk.plugin import Plugin
    from optifire.workers.context import Surroundings
    from optifire.workers.line import Line
    from optifire.workers.printed import PipeWriter

#: Seconds that the run in progress has to end in when its plugin is to leave.
LEAVE_GRACE: Final = 1.0


class Staying:
    """Keeps a plugin in this process until the service hangs up or tells it to leave."""

    def __init__(
        self,
        line: Line,
        printed: PipeWriter,
        surroundings: Surroundings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._line = line
        self._printed = printed
        self._around = surroundings
        self._loop = loop
        self._asking = Asking(line, loop, staying=True)
        self._peak = Peak()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs: set[asyncio.Task[None]] = set()
        self._commits: list[asyncio.Future[say.Committed]] = []
        self._leaving = False

    def serve(self, enter: say.Enter) -> say.Left:
        """Stay until told to leave; gives what the last hooks came to."""
        asyncio.set_event_loop(self._loop)
        self._left: asyncio.Future[say.Left] = self._loop.create_future()
        self._order = enter.order
        self._line.put_off = self._soon
        self._loop.add_reader(self._line.descriptor, self._readable)
        self._begin(self._enter(enter))
        return self._loop.run_until_complete(self._left)

    # --- messages ---------------------------------------------------------------------------

    def _readable(self) -> None:
        arrived = self._line.arrived()
        if arrived is None:  # the service has hung up: nobody wants anything any more
            self._loop.remove_reader(self._line.descriptor)
            self._left.cancel()
            return
        for message in arrived:
            self._take(message)

    def _soon(self, message: say.ToChild) -> None:
        self._loop.call_soon_threadsafe(self._take, message)

    def _take(self, message: say.ToChild) -> None:
        if isinstance(message, say.Order):
            self._runs.add(self._loop.create_task(self._run(message)))
        elif isinstance(message, say.Tell):
            self._begin(self._tell(message))
        elif isinstance(message, say.Committed):
            self._commits.pop(0).set_result(message)
        elif isinstance(message, say.Fetched):
            self._asking.take(message)
        elif isinstance(message, say.Leave):
            self._begin(self._leave(message))
        else:
            raise TypeError(f"a resident cannot be asked for {type(message).__name__}")

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            fail(self._left, error)

    # --- hooks ------------------------------------------------------------------------------

    async def _enter(self, message: say.Enter) -> None:
        """Load the plugin and call its first hooks."""
        order = message.order
        if order.limits is not None:
            take_on(order.limits, for_life=True)
        try:
            confine(order, self._around)
            loaded = load(order.folder, replay=order.replay, checksum=order.checksum)
            loaded.files.enter()  # for good: no other plugin ever runs here
            self._plugin: Plugin = instance(loaded)
        except PluginFault as error:
            self._line.send(say.Entered(Failure(type(error).__name__, str(error))))
            return
        self._line.send(say.Entered(await self._call(message.hooks)))

    async def _leave(self, message: say.Leave) -> None:
        """End the run in progress, then call the last hooks."""
        self._leaving = True
        for task in self._runs:
            task.cancel()
        if self._runs:
            await asyncio.wait(self._runs, timeout=LEAVE_GRACE)
        failure = await self._call(message.hooks)
        if not self._left.done():
            self._left.set_result(say.Left(failure))

    async def _call(self, hooks: Sequence[str]) -> Failure | None:
        """Call some hooks, the next one after the one before has succeeded."""
        for name in hooks:
            order = self._order
            scope = scope_of(order, self._around)
            kept = Kept()
            kept.close()
            with in_scope(scope):
                context = context_of(
                    order, self._line, kept, scope, self._around, self._asking.fetch
                )
                failure = await self._hook(name, context)
            if failure is not None:
                return failure
        return None

    async def _hook(self, name: str, *arguments: object) -> Failure | None:
        """Call one hook; it has succeeded unless it raised or gave False."""
        try:
            answer = getattr(self._plugin, name)(*arguments)
            if inspect.isawaitable(answer):
                answer = await answer
        except BaseException as error:  # noqa: BLE001 - whatever the plugin raised is its outcome
            return failure_of(error, self._order.folder)
        if answer is False:
            return Failure("HookRefused", f"{name}() gave False")
        return None

    async def _tell(self, message: say.Tell) -> None:
        """Give one event to ``handle_event``."""
        event = message.event
        with in_scope(scope_of(self._order, self._around, message.at)):
            data = self._around.decode(event.data)
            self._line.send(say.Told(await self._hook("handle_event", event.name, data)))

    # --- runs -------------------------------------------------------------------------------

    async def _run(self, order: say.Order) -> None:
        """Make one attempt and say how it ended.

        It sees to its own end: a callback of its task would take one more turn of the loop.
        """
        try:
            self._line.fresh()
            self._peak.reset()
            began = time.process_time()
            outcome = await self._attempt(order)
            lost = flushed(self._printed)
            cpu = time.process_time() - began
            shared = in_memory_files() if self._line.lent else 0  # while what was given is held
            self._line.lent = False
            self._line.send_done(say.Done(outcome, lost, cpu, self._peak.read(), shared))
        except Exception as error:  # noqa: BLE001 - as of `_ended`
            fail(self._left, error)
        finally:
            self._runs.discard(asyncio.current_task())

    async def _attempt(self, order: say.Order) -> Outcome:
        kept, scope = Kept(), scope_of(order, self._around)
        reseed(order.run_id)
        try:
            with in_scope(scope):

                async def commit() -> None:
                    await self._commit(kept)

                stream = commit if order.stream else None
                context = context_of(
                    order, self._line, kept, scope, self._around, self._asking.fetch, stream
                )
                return finished(await self._plugin.run(context), kept, scope)
        except BaseException as error:  # noqa: BLE001 - whatever the plugin raised is its outcome
            if self._leaving and isinstance(error, asyncio.CancelledError):
                return Outcome(RunStatus.CANCELLED, Reason("cancelled", "the plugin was stopped"))
            return told(ended_by(error, kept, scope, order.folder), error, order)
        finally:
            kept.close()

    async def _commit(self, kept: Kept) -> None:
        """Hand over what a stream has made; raises `ContractError` when it was not written.

        What it printed stands in its pipe, and is read with the part; only what was lost is told.
        """
        part = Outcome(
            RunStatus.SUCCEEDED,
            log=with_loss(b"", flushed(self._printed)),
            writes=kept.writes,
            statements=tuple(kept.statements),
            events=tuple(kept.events),
        )
        kept.writes, kept.statements, kept.events = {}, [], []
        answer: asyncio.Future[say.Committed] = self._loop.create_future()
        self._commits.append(answer)
        self._line.send(say.Commit(part))
        error = (await asyncio.shield(answer)).error
        if error is not None:
            message, where, remedy = error
            raise ContractError(message, where=where, remedy=remedy)


def fail(left: asyncio.Future[say.Left], error: BaseException) -> None:
    """End the process for a fault of ours, which is in its log then."""
    if not left.done():
        left.set_exception(error)


def flushed(printed: PipeWriter) -> int:
    """Have all that was printed in the pipe; gives the bytes that found no room in it."""
    with suppress(OSError, ValueError):  # the plugin may have closed its output
        sys.stdout.flush()
    lost, printed.lost = printed.lost, 0
    return lost
