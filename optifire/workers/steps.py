"""Processor time of inline runs, exactly: read around each step of a run and of its child tasks.

A task that a run creates belongs to the run: its steps are charged to it, and it ends with it. What
threads and loop callbacks of a plugin use is not seen.
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from optifire.workers.guarding import LIMIT_NS, now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from optifire.core.job import Job

_thread_time = time.thread_time_ns


class Watched(Protocol):
    """What is told when a step begins and ends, and that it took too long.

    Attributes
    ----------
    word
        Where the beginning of the step in progress stands.
    fresh_until
        A step that begins later is to be preceded by a `look`.
    """

    word: memoryview
    fresh_until: int

    def look(self) -> int:
        """Take note of what else there is to wait for; gives the present."""

    def slow(self, job: Job, took_ns: int, cpu_ns: int) -> None:
        """Take note that a step of a job took too long, and how much processor time it had."""


class Account:
    """What one run has used so far, and the tasks that it has made."""

    __slots__ = ("_guard", "_job", "_stepping", "_word", "cpu_ns", "over", "tasks")

    def __init__(self, job: Job, guard: Watched) -> None:
        self._job = job
        self._guard = guard
        self._word = guard.word
        self._stepping = False
        #: Processor time of all steps so far.
        self.cpu_ns = 0
        #: The run has ended, and its tasks have to.
        self.over = False
        self.tasks: set[asyncio.Task[Any]] = set()

    def step(self, do: Callable[[Any], Any], given: object) -> Any:  # noqa: ANN401 - what a step yields
        """Do one step and charge it; a step inside a step is part of that."""
        if self._stepping:
            return do(given)
        word, self._stepping = self._word, True
        began = now_ns()
        if began > self._guard.fresh_until:
            began = self._guard.look()
        word[0] = began
        before = _thread_time()
        try:
            return do(given)
        finally:
            cpu = _thread_time() - before
            self.cpu_ns += cpu
            word[0], self._stepping = 0, False
            took = now_ns() - began
            if took > LIMIT_NS:
                self._guard.slow(self._job, took, cpu)

    def give_up(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Close a coroutine that goes on waiting after its end."""
        self.step(lambda _: coroutine.close(), None)

    async def settle(self) -> int:
        """End the tasks that are left; gives how many there were.

        Each has one step in which it may tidy up.
        """
        self.over = True
        left = [task for task in self.tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        return len(left)


@types.coroutine
def go_on(
    coroutine: Coroutine[Any, Any, Any],
    waited_for: Any,  # noqa: ANN401 - a future, None, or what a plugin's own library waits for
    account: Account,
    timeout: asyncio.Timeout,
) -> Generator[Any, Any, object]:
    """Go on from a coroutine's first wait to its end, and give its result.

    One that goes on waiting after its deadline has passed is closed.
    """
    while True:
        do: Callable[[Any], Any] = coroutine.send
        given: Any = None
        try:
            yield waited_for
        except BaseException as error:  # noqa: BLE001 - handed on to the plugin as it came
            do, given = coroutine.throw, error
        try:
            waited_for = account.step(do, given)
        except StopIteration as end:
            return end.value
        if timeout.expired():
            account.give_up(coroutine)
            raise TimeoutError


class ChildSteps(Coroutine[Any, Any, Any]):
    """A task's coroutine, each step of which is charged to a run; it ends with the run."""

    __slots__ = ("_account", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], account: Account) -> None:
        self._coroutine = coroutine
        self._account = account

    def send(self, value: object) -> Any:  # noqa: ANN401 - what the plugin waits for
        """Go on to the next wait."""
        if self._account.over:
            raise self._ended()
        return self._account.step(self._coroutine.send, value)

    def throw(self, error: Any, value: object = None, trace: object = None, /) -> Any:  # noqa: ANN401, ARG002 - as generators have it
        """Go on with an error."""
        waited_for = self._account.step(self._coroutine.throw, error)
        if self._account.over:
            raise self._ended()
        return waited_for

    def _ended(self) -> asyncio.CancelledError:
        self._account.give_up(self._coroutine)
        return asyncio.CancelledError("the run that made this task has ended")

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait for the coroutine, charged to who waits."""
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> object:
        """Give what the coroutine shows of itself: name, frame, code."""
        return getattr(self._coroutine, name)


_ACCOUNT: Final[ContextVar[Account | None]] = ContextVar("optifire_account", default=None)


class Charged:
    """Charges tasks to one account, for the length of a ``with`` block."""

    __slots__ = ("_account", "_charging", "_loop", "_token")

    def __init__(
        self, charging: Charging, account: Account, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._charging = charging
        self._account = account
        self._loop = loop

    def __enter__(self) -> None:
        """Begin to charge."""
        self._charging.begin(self._loop)
        self._token = _ACCOUNT.set(self._account)

    def __exit__(self, *_: object) -> None:
        """Charge nothing more."""
        _ACCOUNT.reset(self._token)
        self._charging.end(self._loop)


class Charging:
    """Charges the tasks that runs make, while there are runs in progress on a loop.

    The loop's task factory is ours only then, so that a service without inline runs makes its
    tasks as ever.
    """

    def __init__(self) -> None:
        self._runs = 0
        self._before: Any = None

    def to(self, account: Account, loop: asyncio.AbstractEventLoop) -> Charged:
        """Charge to an account whatever this context makes, for the length of a ``with`` block."""
        return Charged(self, account, loop)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be the task factory of this loop, if no other run has seen to that."""
        if not self._runs:
            self._before = loop.get_task_factory()
            loop.set_task_factory(self._make)
        self._runs += 1

    def end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the factory back, if no other run goes on."""
        self._runs -= 1
        if not self._runs:
            loop.set_task_factory(self._before)

    def _make(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,  # noqa: ANN401 - a coroutine, or what `Task` refuses
        **options: Any,  # noqa: ANN401 - those of `Task`, which differ between versions
    ) -> asyncio.Task[Any]:
        account = _ACCOUNT.get()
        charged = account is not None and asyncio.iscoroutine(coroutine)
        if charged and account is not None:
            coroutine = ChildSteps(coroutine, account)
        if self._before is not None:
            task: asyncio.Task[Any] = self._before(loop, coroutine, **options)
        else:
            task = asyncio.Task(coroutine, loop=loop, **options)
        if charged and account is not None:
            account.tasks.add(task)
            task.add_done_callback(account.tasks.discard)
        return task
