"""`InlineWorker`: trusted, small plugins in the service's own loop, at microseconds a run.

Nothing is contained: a plugin that blocks, blocks the service, and no timeout reaches it before
it first waits for something; all there is, is that it is noticed (see `loopguard`). It gets no
frames, its tasks end with its run, and of a replay's fences it has only the one around clock reads.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from optifire.core.budget import Measured, Usage
from optifire.core.errors import ContractError, OptifireError
from optifire.sdk.plugin import Plugin
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
from optifire.workers.loopguard import LoopGuard
from optifire.workers.outcomes import not_made, timed_out
from optifire.workers.outward import Outward
from optifire.workers.printed import Pad, Router, on_pad
from optifire.workers.steps import Account, Charging, go_on
from optifire.workers.wire import decode_inline

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime
    from pathlib import Path

    from optifire.core.ports import Outcome, RunRequest
    from optifire.core.types import PluginId
    from optifire.sdk.context import PluginContext
    from optifire.sdk.plugin import PluginMetadata
    from optifire.sdk.scope import Scope


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


class Prepared:
    """What all runs of one job have in common: its code and its encoded configuration."""

    __slots__ = ("_loaded", "_metadata", "config", "job", "replay")

    def __init__(self, request: RunRequest, loaded: Loaded, config: bytes) -> None:
        self.job = request.job
        self.replay = request.replay
        self.config = config
        self._loaded = loaded
        self._metadata: PluginMetadata | None = None

    def plugin(self) -> Plugin:
        """Make a fresh plugin; raises `PluginFault` when it cannot be made.

        Where it has no constructor of its own, all that is done anew is the object: what a plugin
        says of itself does not change.
        """
        cls = self._loaded.cls
        if self._metadata is not None:
            made = cls.__new__(cls)
            made.metadata = self._metadata
            return made
        made = instance(self._loaded)
        if cls.__init__ is Plugin.__init__:
            self._metadata = made.metadata
        return made


class InlineWorker:
    """Makes attempts in the service's own event loop.

    Parameters
    ----------
    files
        Where plugins have their own folders.
    guard
        Is told of steps that keep the loop waiting.
    outward
        Fetches for plugins.
    """

    name = "inline"

    def __init__(
        self, files: Path, guard: LoopGuard | None = None, outward: Outward | None = None
    ) -> None:
        self._files = str(files)
        self._outward = outward or Outward()
        self._guard = LoopGuard() if guard is None else guard
        self._charging = Charging()
        self._loaded: dict[tuple[str, str, bool], Loaded] = {}
        self._prepared: dict[PluginId, Prepared] = {}
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
        loop = asyncio.get_running_loop()
        began, pad, kept = loop.time(), Pad(), Kept()
        prepared = self._known(request)
        try:
            order = order_of(request, self._files, prepared.config if prepared else None)
        except OptifireError as error:
            return not_made(error)
        scope, account = scope_of(order, self._around), Account(request.job, self._guard)
        context: PluginContext | None = None
        with in_scope(scope), on_pad(pad), self._charging.to(account, loop):
            try:
                prepared = prepared or self._prepare(request, order.config)
                fetch = partial(self._outward.fetch, job=request.job)
                context = context_of(order, request.view, kept, scope, self._around, fetch)
            except OptifireError as error:
                outcome = ended_by(error, kept, scope, order.folder)
            else:
                try:
                    outcome = await _made(prepared, context, request, kept, scope, account)
                finally:
                    if account.tasks and (left := await account.settle()):
                        pad.add(f"[{left} tasks were left behind and are cancelled]\n")
        wall = loop.time() - began
        outcome.usage = Usage(account.cpu_ns / 1e6, None, wall * 1e3, Measured.EXACT)
        outcome.log = pad.log()
        if context is not None and "temp_dir" in vars(context):
            remove(temp_folder(self._files, request.run_id, request.attempt))
        return outcome

    def _known(self, request: RunRequest) -> Prepared | None:
        """Give what an earlier run of the very same job has prepared."""
        known = self._prepared.get(request.job.plugin_id)
        if known is None or known.job is not request.job or known.replay is not request.replay:
            return None
        return known

    def _prepare(self, request: RunRequest, config: bytes) -> Prepared:
        """Load a job's code; raises `PluginFault` naming file and line where that cannot be."""
        code = request.job.code
        key = (code.folder, code.checksum, request.replay)
        if key not in self._loaded:
            self._loaded[key] = load(code.folder, replay=request.replay)
        prepared = Prepared(request, self._loaded[key], config)
        self._prepared[request.job.plugin_id] = prepared
        return prepared


class _First:
    """The first step of a run: its plugin is made, and goes on to its first wait."""

    __slots__ = ("context", "coroutine", "prepared")

    def __init__(self, prepared: Prepared, context: PluginContext) -> None:
        self.prepared = prepared
        self.context = context

    def __call__(self, given: object) -> object:
        self.coroutine: Coroutine[Any, Any, object] = self.prepared.plugin().run(self.context)
        return self.coroutine.send(given)


async def _made(
    prepared: Prepared,
    context: PluginContext,
    request: RunRequest,
    kept: Kept,
    scope: Scope,
    account: Account,
) -> Outcome:
    """Run the plugin; gives the outcome.

    Most inline runs end in their first step, so the deadline is armed at the first wait.
    """
    timeout: asyncio.Timeout | None = None
    first = _First(prepared, context)
    try:
        try:
            waited_for = account.step(first, None)
        except StopIteration as end:
            result = end.value
        else:
            async with asyncio.timeout(request.timeout) as timeout:
                result = await go_on(first.coroutine, waited_for, account, timeout)
        return finished(result, kept, scope)
    except BaseException as error:
        if _is_not_the_plugins(error):
            raise
        if timeout is not None and timeout.expired():
            return timed_out(request)
        return ended_by(error, kept, scope, request.job.code.folder)


def _is_not_the_plugins(error: BaseException) -> bool:
    """Tell whether somebody else wants this run, or everything, to end."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)
