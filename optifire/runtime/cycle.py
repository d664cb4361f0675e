"""One cycle: all firings of one (due, turn), run as dataflow.

Each job starts the moment what it needs has ended; there is no barrier between layers. One
coroutine reads what happened from an inbox, decides, writes one batch and only then starts what
that made ready, so a commit holds the ends of some runs together with the starts of the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from optifire.core.errors import StoreError
from optifire.core.ledger import EventRow
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import Reason, RunStatus
from optifire.runtime.admission import NonRun, Snapshot, admit, refused
from optifire.runtime.blackboard import RunView
from optifire.runtime.dataflow import Dataflow, Node
from optifire.runtime.draft import Draft
from optifire.runtime.entrance import Entrance
from optifire.runtime.needs import Moment, Supply, Values, supply
from optifire.runtime.outcome import Leavings, close_attempt, open_attempt
from optifire.runtime.overlap import Manner
from optifire.runtime.resolver import Pull, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optifire.core.firing import Firing
    from optifire.runtime.parts import Parts


@dataclass(frozen=True, slots=True)
class CycleEnd:
    """What a finished cycle leaves for the next turn of its instant."""

    due: datetime
    turn: int
    events: tuple[EventRow, ...]
    chain: tuple[str, ...]


class Cycle:
    """Runs the firings of one (due, turn) to their records.

    Parameters
    ----------
    firings
        All of one due instant and turn, each plugin once.
    parts
        What the cycle began with: catalog and rooms. A later change does not reach it.
    chain
        The events that led here, oldest first.
    """

    def __init__(
        self, firings: Sequence[Firing], parts: Parts, chain: tuple[str, ...] = ()
    ) -> None:
        self.due, self.turn = firings[0].due, firings[0].turn
        self._firings = firings
        self._parts = parts
        self._chain = chain
        self._inbox: deque[Callable[[], None]] = deque()
        self._bell = asyncio.Event()
        self._draft = Draft(timeless=parts.clock.timeless)
        self._leavings = Leavings()
        self._entrance = Entrance(
            parts.live,
            parts.slots,
            again=lambda node: self._post(lambda: self._flow.ready.append(node)),
            refuse=lambda node, why: self._post(lambda: self._end_without_run(node, why)),
            tell=self._tell_to_end,
        )

    async def run(self) -> CycleEnd:
        """Bring every firing to a terminal record."""
        recorder = self._parts.recorder
        self._view = await recorder.view()
        self._values = Values(self._view.values)
        try:
            async with asyncio.TaskGroup() as self._group:
                plan = resolve(self._firings, self._parts, self._values)
                self._flow = Dataflow(plan)
                self._draft.begin(self._flow.nodes.values(), self.due, self.turn)
                for pull in plan.earlier:
                    self._await_earlier(pull)
                await self._step()
                while self._flow.open:
                    await self._bell.wait()
                    self._bell.clear()
                    await self._step()
            settled = self._leavings.settle_names(self._parts)
            if settled:
                await recorder.write(settled)
            await recorder.end_cycle()
        finally:
            await self._view.close()
        return CycleEnd(self.due, self.turn, tuple(self._leavings.events), self._chain)

    async def _step(self) -> None:
        """Take in what happened, write one batch, start what it admitted; until all is quiet."""
        while True:
            while self._inbox:
                self._inbox.popleft()()
            while self._flow.ready:
                self._consider(self._flow.ready.popleft())
            await self._commit()
            if not self._inbox and not self._flow.ready:
                return

    def _consider(self, node: Node) -> None:
        """Let one occurrence pass gates, overlap, needs and slots; write down why not."""
        if node.ended:
            return
        parts = self._parts
        snapshot = Snapshot(parts.clock.now(), parts.is_on, parts.clock.timeless, self._chain)
        objection = admit(node.firing, snapshot)
        if objection is None and node.live is None:
            objection = self._entrance.overlap(node)
            if objection is None and node.live is None:
                return
        if objection is None:
            got = self._supply(node)
            if got.missing is None:
                if parts.slots.holds(node.firing) or self._entrance.slot(node):
                    self._start(node, got)
                return
            objection = NonRun(RunStatus.SKIPPED, got.missing)
        self._end_without_run(node, objection)

    def _supply(self, node: Node) -> Supply:
        """Gather what a run needs from what the cycle began with and has made since."""
        parts = self._parts
        moment = Moment(self.due, node.firing.job.schedule.calendar, parts.schedule_of)
        why_not = self._flow.why_not
        return supply(
            node.edges, self._values, parts.graph, moment, lambda edge: why_not(edge, parts.live)
        )

    def _await_earlier(self, pull: Pull) -> None:
        """Wait for a run of an earlier cycle, but no longer than the job's own grace."""
        node = self._flow.nodes[pull.plugin_id]
        told = False

        def tell() -> None:
            nonlocal told
            if not told:
                told = True
                self._post(lambda: self._flow.release(node))

        async def give_up() -> None:
            await self._parts.clock.pause(pull.patience.total_seconds())
            tell()

        timer = self._group.create_task(give_up())
        pull.run.watchers += [tell, partial(_cancel, timer)]

    def _start(self, node: Node, got: Supply) -> None:
        """Write the attempt ahead; it starts after the commit."""
        parts, job, row = self._parts, node.firing.job, node.row
        row.inputs = got.inputs
        worker = parts.runner.worker_of(job.placement)
        open_attempt(row, parts.clock, worker.name if worker else job.placement, self._draft.batch)
        node.request = RunRequest(
            key=row.key,
            run_id=row.run_id,
            attempt=row.attempts,
            job=job,
            started=row.started_at or self.due,
            timeout=parts.safety_timeout or job.timeout,
            given=got.given,
            view=RunView(self._view, job.plugin_id),
            events=node.firing.events,
            replay=parts.clock.timeless,
        )
        self._draft.start(node)

    async def _commit(self) -> None:
        """Write everything decided since the last commit; start what it admitted."""
        batch, starting, unsettled = self._draft.take()
        recorder = self._parts.recorder
        try:
            rejected = await (recorder.intend(batch) if starting else recorder.write(batch))
        except StoreError as error:
            for node in starting:
                node.row.status, node.row.attempts = RunStatus.DUE, node.row.attempts - 1
                self._end_without_run(node, refused("store", error.message))
            starting = []
            rejected = await recorder.write(self._draft.without_starts(batch))
        for node in starting:
            node.task = self._group.create_task(self._attempt(node))
        failures = {one.run_id: one.failure for one in rejected}
        for node in unsettled:
            if node.row.run_id in failures:
                self._leavings.reject(node.row, failures[node.row.run_id], self._values)
            self._ended(node)

    async def _attempt(self, node: Node) -> None:
        """Make one attempt and post its outcome; a told end is an outcome, not an error."""
        assert node.request is not None  # noqa: S101 - set by _start
        try:
            outcome = await self._parts.runner.attempt(node.request)
        except asyncio.CancelledError:
            if not node.told:
                raise
            outcome = Outcome(RunStatus.CANCELLED, Reason("cancelled", node.told))
        self._post(lambda: self._finish(node, outcome))

    def _finish(self, node: Node, outcome: Outcome) -> None:
        """Take in how an attempt ended: try again, or end the run."""
        node.task = None
        ending = close_attempt(node.firing, node.row, outcome, self._parts, self._draft.batch)
        self._draft.touch(node.row)
        if ending.retry_after is not None:
            self._parts.slots.give_back(node.firing)
            self._group.create_task(self._try_again(node, ending.retry_after))
            return
        self._leavings.take(ending, self._values)
        if outcome.statements and node.row.status is RunStatus.SUCCEEDED:
            self._draft.unsettled.append(node)
        else:
            self._ended(node)

    async def _try_again(self, node: Node, seconds: float) -> None:
        await self._parts.clock.pause(seconds)
        self._post(lambda: self._flow.ready.append(node))

    def _tell_to_end(self, node: Node, why: str, manner: Manner) -> None:
        """End a run in progress because somebody says so."""
        node.told = why
        if node.request is not None:
            node.request.abrupt = manner is Manner.AT_ONCE
        if node.task is not None:
            node.task.cancel()
        else:
            cancelled = NonRun(RunStatus.CANCELLED, Reason("cancelled", why))
            self._post(lambda: self._end_without_run(node, cancelled))

    def _end_without_run(self, node: Node, objection: NonRun) -> None:
        """Write down that an occurrence does not run, and why."""
        if not node.ended:
            node.row.move(objection.status, objection.reason)
            node.row.finished_at = self._parts.clock.now()
            self._draft.touch(node.row)
            self._ended(node)

    def _ended(self, node: Node) -> None:
        """Let go of what a run held and of who waits for it."""
        self._flow.end(node)
        self._entrance.leave(node)
        self._bell.set()

    def _post(self, what: Callable[[], None]) -> None:
        """Put something into the inbox; the cycle's own coroutine does it."""
        self._inbox.append(what)
        self._bell.set()


def _cancel(task: asyncio.Task[None]) -> None:
    """End a timer that is not needed any more."""
    task.cancel()
