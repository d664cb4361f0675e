"""`InlineWorker`: trusted, small plugins in the service's own loop, at microseconds a run.

Nothing is contained: a plugin that blocks, blocks the service, and no timeout reaches it before
it first waits for something. It gets no frames, its tasks are its own affair, and of a replay's
fences it has only the one around clock reads.
"""

from __future__ import annotations

import asyncio
import time
import types
from typing import TYPE_CHECKING, Any, NoReturn

from optifire.core.budget import Measured, Usage
from optifire.core.errors import ContractError, OptifireError
from optifire.sdk.scope import in_scope
from optifire.workers.attempt import ended_by, finished
from optifire.workers.context import (
    Surroundings,
    context_of,
    order_of,
    scope_of,
    temp_folder,
)
from optifire.workers.effects import Kept
from optifire.workers.isolated import remove
from optifire.workers.loading import Loaded, instance, load
from optifire.workers.outcomes import not_made, timed_out
from optifire.workers.printed import Pad, Router, on_pad
from optifire.workers.wire import decode_inline

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from datetime import datetime
    from pathlib import Path

    from optifire.core.ports import Outcome, RunRequest
    from optifire.sdk.context import PluginContext
    from optifire.sdk.plugin import Plugin
    from optifire.sdk.scope import Scope


class Steps:
    """The steps of one coroutine: their processor time, and a deadline from the first wait on."""

    __slots__ = ("_seconds", "_timeout", "cpu_ns")

    def __init__(self, seconds: float, timeout: asyncio.Timeout) -> None:
        self._seconds = seconds
        self._timeout = timeout
        self.cpu_ns = 0

    @types.coroutine
    def through(self, coroutine: Coroutine[Any, Any, object]) -> Generator[Any, Any, object]:
        """Drive a coroutine to its end and give its result.

        One that goes on waiting after its deadline has passed is closed.
        """
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        while True:
            began = time.thread_time_ns()
            try:
                waited_for = step(given)
            except StopIteration as end:
                return end.value
            finally:
                self.cpu_ns += time.thread_time_ns() - began
            self._go_on_waiting(coroutine)
            step, given = coroutine.send, None
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed on to the plugin as it came
                step, given = coroutine.throw, error

    def _go_on_waiting(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Set the deadline at the first wait; refuse a wait that begins after it has passed."""
        if self._timeout.when() is None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)
        elif self._timeout.expired():
            coroutine.close()
            raise TimeoutError


class Nowhere:
    """The reader of recorded data that an inline run has: none."""

    def bars(
        self,
        symbol: str,
        *,
        asof: datetime,
        limit: int | None,  # noqa: ARG002 - as above
        freq: str,  # noqa: ARG002 - as above
        stale_ok: bool,  # noqa: ARG002 - as above
    ) -> NoReturn:
        """Refuse, and say where there is data."""
        raise ContractError(
            f"an inline plugin gets no frames, and asked for {symbol} as of {asof}",
            where="DataFeed",
            remedy="Set isolation: isolated",
        )


def _no_frames() -> NoReturn:
    raise ContractError(
        "an inline plugin gets no frames", where="context", remedy="Set isolation: isolated"
    )


class InlineWorker:
    """Makes attempts in the service's own event loop."""

    name = "inline"

    def __init__(self, files: Path) -> None:
        self._files = files
        self._loaded: dict[tuple[str, str, bool], Loaded] = {}
        self._router = Router()
        self._around = Surroundings(
            bars=Nowhere(),
            feed=_no_frames,
            values={"market_data": _no_frames},
            decode=decode_inline,
        )

    async def start(self) -> None:
        """Begin to route what inline plugins print to the logs of their runs."""
        self._router.open()

    async def stop(self) -> None:
        """Give standard output back."""
        self._router.close()

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt here; never raises but for cancellation of the caller."""
        self._router.renew()
        pad, kept = Pad(), Kept()
        began = asyncio.get_running_loop().time()
        try:
            order = order_of(request, self._files)
        except OptifireError as error:
            return not_made(error)
        scope = scope_of(order, self._around)
        context: PluginContext | None = None
        with in_scope(scope), on_pad(pad):
            try:
                plugin = instance(self._load(request))
                context = context_of(order, request.view, kept, scope, self._around)
            except OptifireError as error:
                outcome = ended_by(error, kept, scope, order.folder)
                cpu_ns = 0
            else:
                outcome, cpu_ns = await _made(plugin, context, request, kept, scope)
        wall = asyncio.get_running_loop().time() - began
        outcome.usage = Usage(cpu_ns / 1e6, None, wall * 1e3, Measured.EXACT)
        outcome.log = pad.log()
        if context is not None and "temp_dir" in vars(context):
            remove(temp_folder(self._files, request.run_id, request.attempt))
        return outcome

    def _load(self, request: RunRequest) -> Loaded:
        code = request.job.code
        key = (code.folder, code.checksum, request.replay)
        if key not in self._loaded:
            self._loaded[key] = load(code.folder, replay=request.replay)
        return self._loaded[key]


async def _made(
    plugin: Plugin, context: PluginContext, request: RunRequest, kept: Kept, scope: Scope
) -> tuple[Outcome, int]:
    """Run the plugin; gives the outcome and the processor time of its steps in nanoseconds."""
    timeout = asyncio.timeout(None)
    steps = Steps(request.timeout, timeout)
    folder = request.job.code.folder
    try:
        async with timeout:
            result = await steps.through(plugin.run(context))
        return finished(result, kept, scope), steps.cpu_ns
    except BaseException as error:
        if _is_not_the_plugins(error):
            raise
        if timeout.expired():
            return timed_out(request), steps.cpu_ns
        return ended_by(error, kept, scope, folder), steps.cpu_ns


def _is_not_the_plugins(error: BaseException) -> bool:
    """Tell whether somebody else wants this run, or everything, to end."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)
