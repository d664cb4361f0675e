"""The one thread that writes: whatever queued while the last commit ran becomes one transaction."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optifire.core.errors import OptifireError
from optifire.core.ledger import Rejected
from optifire.store.packed import Packed, join
from optifire.store.trouble import is_environment

if TYPE_CHECKING:
    from optifire.store.transaction import Failures, Transactor


#: Seconds after which a busy event loop must let this thread go on. A loop lets go of the
#: interpreter for a moment at the end of each turn, and a thread that waits longer than one turn
#: before it insists never gets it, since CPython's ``take_gil`` begins to count anew each time:
#: with half a millisecond, 200 commits beside turns of 0.3 ms took seconds. Only who waits pays.
SWITCH_SECONDS = 0.000001


class Pin(Protocol):
    """A point in time that must be held before later table writes happen."""

    def pin(self) -> None:
        """Begin to read now; never raises."""


@dataclass(slots=True)
class Job:
    """One commit on its way: its rows, the points in time before it, and who waits for it."""

    packed: Packed
    future: asyncio.Future[Sequence[Rejected]]
    pins: Sequence[Pin] = ()
    #: Keep the transaction open for the next job.
    hold: bool = False


@dataclass(slots=True)
class Task:
    """Anything else that must happen on the writer's thread, in its turn among the commits."""

    work: Callable[[], object]
    future: asyncio.Future[object]


#: What became of one job: the runs refused, or an error.
Result = Sequence[Rejected] | BaseException
Report = Callable[[BaseException], BaseException]


class Writer:
    """Owns the thread; jobs are answered in order, one call into the loop per transaction."""

    def __init__(self, loop: asyncio.AbstractEventLoop, explain: Report) -> None:
        self.transactor: Transactor | None = None
        self.between: Callable[[int], None] | None = None
        self._loop = loop
        self._explain = explain
        self._queue: queue.SimpleQueue[Job | Task | None] = queue.SimpleQueue()
        sys.setswitchinterval(min(SWITCH_SECONDS, sys.getswitchinterval()))
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a commit; cheap, called from the loop."""
        self._queue.put(job)

    async def call(self, work: Callable[[], object]) -> object:
        """Do something on the writer's thread after all that is queued."""
        return await self.ask(work)

    def ask(self, work: Callable[[], object]) -> asyncio.Future[object]:
        """Have something done on the writer's thread after all that is queued; gives its answer."""
        future: asyncio.Future[object] = self._loop.create_future()
        self._queue.put(Task(work, future))
        return future

    def end(self) -> None:
        """Let the thread end when it has done all that is queued."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _work(self) -> None:
        going = True
        while going:
            taken = self._take()
            going = None not in taken
            group: list[Job] = []
            for entry in taken:
                if isinstance(entry, Job):
                    group = self._collect(group, entry)
                elif entry is not None:
                    self._flush(group)
                    group = []
                    self._do(entry)
            self._flush(group)

    def _take(self) -> list[Job | Task | None]:
        """Wait for the next entry, then take all there are."""
        taken = [self._queue.get()]
        try:
            while True:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            return taken

    def _collect(self, group: list[Job], job: Job) -> list[Job]:
        """Add a job to the group; points in time before it are held first.

        They must see the table writes of the jobs before them, and only tables can be seen.
        """
        if job.pins:
            if any(before.packed.changes_tables() for before in group):
                self._flush(group)
                group = []
            for point in job.pins:
                point.pin()
        group.append(job)
        return group

    def _do(self, task: Task) -> None:
        try:
            done = task.work()
        except BaseException as error:  # noqa: BLE001 - handed to the one who asked
            self._answer_task(task.future, None, self._explain(error))
        else:
            self._answer_task(task.future, done, None)

    def _answer_task(
        self, future: asyncio.Future[object], done: object, error: BaseException | None
    ) -> None:
        def answer() -> None:
            if future.done():
                return
            if error is None:
                future.set_result(done)
            else:
                future.set_exception(error)

        self._tell(answer)

    def _flush(self, group: list[Job]) -> None:
        """Write a group as one transaction and answer its jobs.

        When something in it is refused, each job is tried by itself, so that one caller's slip
        does not reach the others; trouble with disk or lock is everybody's.
        """
        if not group:
            return
        try:
            failures = self._commit(group)
        except BaseException as error:  # noqa: BLE001 - handed to the callers
            if len(group) > 1 and not is_environment(error):
                for job in group:
                    self._flush([job])
                return
            self._answer(group, [self._explain(error) for _ in group])
            return
        self._answer(group, [_rejected(job, failures) for job in group])
        if self.between is not None:
            self.between(sum(job.packed.size for job in group))

    def _commit(self, group: list[Job]) -> Failures:
        if self.transactor is None:
            raise OptifireError("the ledger is not open", remedy="Open the store first")
        hold = all(job.hold for job in group)
        return self.transactor.commit(join([job.packed for job in group]), hold=hold)

    def _answer(self, group: list[Job], results: Sequence[Result]) -> None:
        def answer() -> None:
            for job, result in zip(group, results, strict=True):
                if job.future.done():
                    continue
                if isinstance(result, BaseException):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)

        self._tell(answer)

    def _tell(self, answer: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(answer)
        except RuntimeError:  # the loop is closed: nobody waits any more
            if not self._loop.is_closed():
                raise


def _rejected(job: Job, failures: Failures) -> Sequence[Rejected]:
    if not failures:
        return ()
    return tuple(
        Rejected(writes.run_id, failures[writes.run_id])
        for writes in job.packed.writes
        if writes.run_id in failures
    )
