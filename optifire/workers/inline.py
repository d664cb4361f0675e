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
    """The steps of one coroutine, and the processor time they take."""

    __slots__ = ("_coroutine", "cpu_ns")

    def __init__(self, coroutine: Coroutine[Any, Any, object]) -> None:
        self._coroutine = coroutine
        self.cpu_ns = 0

    def first(self) -> Any:  # noqa: ANN401 - a future, None, or what a plugin's own library waits for
        """Go to the first wait and give what is waited for; raises `StopIteration` at the end."""
        began = time.thread_time_ns()
        try:
            return self._coroutine.send(None)
        finally:
            self.cpu_ns += time.thread_time_ns() - began

    @types.coroutine
    def rest(
        self,
        waited_for: Any,  # noqa: ANN401 - as above
        timeout: asyncio.Timeout,
    ) -> Generator[Any, Any, object]:
        """Go on from the first wait to the end, and give the coroutine's result.

        One that goes on waiting after its deadline has passed is closed.
        """
        coroutine = self._coroutine
        while True:
            step: Callable[[Any], Any] = coroutine.send
            given: Any = None
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed on to the plugin as it came
                step, given = coroutine.throw, error
            began = time.thread_time_ns()
            try:
                waited_for = step(given)
            except StopIteration as end:
                return end.value
            finally:
                self.cpu_ns += time.thread_time_ns() - began
            if timeout.expired():
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
    """Run the plugin; gives the outcome and the processor time of its steps in nanoseconds.

    Most inline runs end in their first step, so the deadline is armed at the first wait.
    """
    timeout: asyncio.Timeout | None = None
    steps = Steps(plugin.run(context))
    try:
        try:
            waited_for = steps.first()
        except StopIteration as end:
            result = end.value
        else:
            async with asyncio.timeout(request.timeout) as timeout:
                result = await steps.rest(waited_for, timeout)
        return finished(result, kept, scope), steps.cpu_ns
    except BaseException as error:
        if _is_not_the_plugins(error):
            raise
        if timeout is not None and timeout.expired():
            return timed_out(request), steps.cpu_ns
        return ended_by(error, kept, scope, request.job.code.folder), steps.cpu_ns


def _is_not_the_plugins(error: BaseException) -> bool:
    """Tell whether somebody else wants this run, or everything, to end."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)
