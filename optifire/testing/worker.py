"""The worker of the test kit: the context and the effects of a real run, in this process.

Unlike an inline worker it hands out frames and recorded data, and it notes what a test wants to
know and a record does not hold.
"""

from __future__ import annotations

import asyncio
import random
import sys
import types
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optifire.core.budget import Measured, Usage
from optifire.core.errors import ContractError, OptifireError
from optifire.core.ports import Outcome
from optifire.core.run import Reason, RunStatus
from optifire.runtime.clock import monotonic
from optifire.sdk.result import PluginResult
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
from optifire.workers.loading import running
from optifire.workers.outcomes import not_made, timed_out
from optifire.workers.printed import Pad, Router, on_pad
from optifire.workers.seeding import reseed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
    from pathlib import Path

    from optifire.core.ports import RunRequest
    from optifire.sdk.http import Call, Response
    from optifire.sdk.scope import Scope
    from optifire.testing.subjects import Subject


@dataclass(slots=True)
class Made:
    """What the kit saw of one attempt."""

    outcome: Outcome
    result: PluginResult | None = None
    returned: bool = False
    missing: tuple[str, ...] = ()
    no_data: tuple[str, ...] = ()
    waits: int = 0
    #: The run went on, or gave an answer, although it had been told to end.
    deaf: bool = False


class ToldToEndError(BaseException):
    """The run was cancelled by the kit and ended."""


class Drive:
    """Drives one run by hand, so that it can be told to end at a chosen wait.

    Parameters
    ----------
    cancel_at
        The wait at which the run is told to end, counted from 1; 0: never.
    seconds
        How long it may take, from its first wait on.
    """

    def __init__(self, cancel_at: int, seconds: float, timeout: asyncio.Timeout) -> None:
        self._cancel_at = cancel_at
        self._seconds = seconds
        self._timeout = timeout
        self.waits = 0
        self.deaf = False

    @types.coroutine
    def through(self, coroutine: Coroutine[Any, Any, object]) -> Generator[Any, Any, object]:
        """Drive a coroutine to its end and give its result."""
        step: Callable[[Any], Any] = coroutine.send
        given: Any = None
        while True:
            try:
                waited_for = step(given)
            except StopIteration as end:
                return end.value
            self.waits += 1
            if self._timeout.when() is None:
                loop = asyncio.get_running_loop()
                self._timeout.reschedule(loop.time() + self._seconds)
            elif self._timeout.expired():
                self._close(coroutine)
                raise TimeoutError
            if self.waits == self._cancel_at:
                self._end(coroutine)
            step, given = coroutine.send, None
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed on to the plugin as it came
                step, given = coroutine.throw, error

    def _end(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Cancel the run where it waits, and see whether it ends."""
        try:
            coroutine.throw(asyncio.CancelledError("the test kit"))
        except asyncio.CancelledError:
            pass
        except StopIteration:
            self.deaf = True
        else:
            self.deaf = True
            self._close(coroutine)
        raise ToldToEndError

    @staticmethod
    def _close(coroutine: Coroutine[Any, Any, object]) -> None:
        try:
            coroutine.close()
        except RuntimeError:
            return  # it ignores even this, and is not resumed any more


class KitWorker:
    """Makes attempts in this process; what it saw of each is in `made`, by run id.

    Parameters
    ----------
    subjects
        The plugins, by id.
    around
        What every run is offered.
    files
        Where plugins have their own folders.
    """

    name = "kit"

    def __init__(
        self, subjects: Mapping[str, Subject], around: Surroundings, files: Path, *, strict: bool
    ) -> None:
        self._subjects = subjects
        self._around = around
        self._files = files
        self._strict = strict
        self._router = Router()
        self.made: dict[str, Made] = {}
        #: The wait at which every run is told to end; 0: never.
        self.cancel_at = 0

    async def start(self) -> None:
        """Route what plugins print to the logs of their runs."""
        self._router.open()

    async def stop(self) -> None:
        """Give standard output back."""
        self._router.close()

    async def run(self, request: RunRequest) -> Outcome:
        """Make one attempt here; never raises but for cancellation of the caller."""
        self._router.renew()
        pad, began = Pad(), monotonic()
        with on_pad(pad), seeded(request.run_id):
            made = await self._attempt(request)
        outcome = made.outcome
        outcome.usage = Usage(None, None, (monotonic() - began) * 1e3, Measured.NONE)
        outcome.log = pad.log()
        self.made[request.run_id] = made
        remove(temp_folder(self._files, request.run_id, request.attempt))
        return outcome

    async def _attempt(self, request: RunRequest) -> Made:
        subject = self._subjects[request.job.plugin_id]
        kept = Kept()
        try:
            order = order_of(request, self._files)
        except OptifireError as error:
            return Made(not_made(error))
        scope = scope_of(order, self._around)
        beside = nullcontext() if subject.loaded is None else running(subject.loaded)
        with in_scope(scope), beside:
            try:
                plugin = subject.instance()
                context = context_of(
                    order, request.view, kept, scope, self._around, nothing_fetched
                )
            except OptifireError as error:
                return Made(ended_by(error, kept, scope, order.folder))
            made = await self._drive(plugin.run(context), request, kept, scope)
        made.no_data = tuple(scope.no_data)
        self._judge(made, request, kept, scope)
        return made

    async def _drive(
        self,
        coroutine: Coroutine[Any, Any, object],
        request: RunRequest,
        kept: Kept,
        scope: Scope,
    ) -> Made:
        folder = request.job.code.folder
        timeout = asyncio.timeout(None)
        drive = Drive(self.cancel_at, request.timeout, timeout)
        result: object = None
        returned = False
        try:
            async with timeout:
                result = await drive.through(coroutine)
            returned = True
            outcome = finished(result, kept, scope)
        except ToldToEndError:
            outcome = Outcome(RunStatus.CANCELLED, Reason("cancelled", "told to end by the kit"))
        except BaseException as error:
            if is_not_the_plugins(error):
                raise
            late = timeout.expired()
            outcome = timed_out(request) if late else ended_by(error, kept, scope, folder)
        kind = result if isinstance(result, PluginResult) else None
        return Made(outcome, kind, returned, waits=drive.waits, deaf=drive.deaf)

    def _judge(self, made: Made, request: RunRequest, kept: Kept, scope: Scope) -> None:
        """Hold a success against what was declared."""
        outcome, job = made.outcome, request.job
        if outcome.status is not RunStatus.SUCCEEDED:
            return
        given = outcome.outputs.keys() | outcome.writes.keys()
        made.missing = tuple(name for name in job.outputs if name not in given)
        if self._strict and made.missing:
            message = f"declared outputs are missing: {', '.join(made.missing)}"
            remedy = "Give every name of `outputs` in the result, or do not declare it"
        elif self._strict and outcome.undeclared:
            message = f"names were read without being declared: {', '.join(outcome.undeclared)}"
            remedy = "Name them in `inputs` or `dependencies`"
        else:
            return
        error = ContractError(message, where=job.plugin_id, remedy=remedy)
        made.outcome = ended_by(error, kept, scope, job.code.folder)


async def nothing_fetched(call: Call) -> Response:
    """Refuse a call: a test does not depend on what the world answers today."""
    raise ContractError(
        f"a test fetches nothing, and {call.url} was asked for",
        where="context.http",
        remedy="Have the plugin parse in a function of its own, and test that",
    )


def is_not_the_plugins(error: BaseException) -> bool:
    """Tell whether somebody else wants this run, or everything, to end."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


@contextmanager
def seeded(run_id: str) -> Iterator[None]:
    """Seed the global generators as a worker does, and put them back afterwards."""
    before = random.getstate()
    numpy_random = sys.modules.get("numpy.random")
    numpy_before = numpy_random.get_state() if numpy_random is not None else None
    reseed(run_id)
    try:
        yield
    finally:
        random.setstate(before)
        if numpy_random is not None:
            numpy_random.set_state(numpy_before)
