"""One cycle: all firings of one (due, turn), run as dataflow.

Each job starts the moment what it needs has ended; there is no barrier between layers. One
coroutine reads what happened from an inbox, decides, writes one batch and only then starts what
that made ready, so a commit holds the ends of some runs together with the starts of the next.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from optifire.core.errors import NeverWrittenError, StoreError
from optifire.core.firing import Firing
from optifire.core.ledger import EventRow
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import TERMINAL, Reason, RunStatus
from optifire.runtime.admission import NonRun, Snapshot, admit, refused
from optifire.runtime.blackboard import FreshView, RunView
from optifire.runtime.dataflow import Dataflow, Node
from optifire.runtime.draft import Draft
from optifire.runtime.entrance import Entrance
from optifire.runtime.needs import NOTHING, Moment, Supply, Values, supply
from optifire.runtime.outcome import Leavings, close_attempt, open_attempt, refuse_attempt
from optifire.runtime.overlap import Manner
from optifire.runtime.part import Parting
from optifire.runtime.patience import Patience
from optifire.runtime.resolver import Plan, Pull, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optifire.runtime.parts import Parts


@dataclass(frozen=True, slots=True)
class CycleEnd:
    """What a finished cycle leaves for the next turn; events by run, whichever ended first.

    ``left`` made way before they had ended, and are due again.
    """

    due: datetime
    turn: int
    events: tuple[EventRow, ...]
    chain: tuple[str, ...]
    left: tuple[Firing, ...] = ()


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
        )
        self._flow = Dataflow(Plan(), self._tell_to_end)

    async def run(self) -> CycleEnd:
        """Bring every firing to a terminal record."""
        recorder = self._parts.recorder
        self._view = await recorder.view()
        self._values = Values(self._view.values)
        try:
            async with asyncio.TaskGroup() as self._group:
                plan = resolve(self._firings, self._parts, self._values)
                self._flow = Dataflow(plan, self._tell_to_end)
                for node in self._flow.nodes.values():
                    self._parts.live.expect(node.live)
                self._draft.begin(self._flow.nodes.values(), self.due, self.turn)
                for pull in plan.earlier:
                    self._await_earlier(pull)
                await self._step()
                if all(node.live.endless for node in self._flow.nodes.values()):
                    await self._view.close()  # a stream lives for days; the file must not wait
                while self._flow.open:
                    await self._bell.wait()
                    self._bell.clear()
                    await self._step()
            settled = self._leavings.settle_names(self._parts)
            if settled:
                await recorder.write(settled)
            await recorder.end_cycle()
        finally:
            self._entrance.abandon(self._flow.nodes.values())
            await self._view.close()
        events = sorted(self._leavings.events, key=lambda one: (one.run_id, one.seq))
        nodes = self._flow.nodes.values()
        left = tuple(node.firing for node in nodes if node.row.status not in TERMINAL)
        return CycleEnd(self.due, self.turn, tuple(events), self._chain, left)

    async def _step(self) -> None:
        """Take in what happened, write one batch, start what it admitted; until all is quiet."""
        while True:
            while self._inbox:
                self._inbox.popleft()()
            if self._flow.ready:
                snapshot = self._parts.snapshot(self._chain)
                while self._flow.ready:
                    for node in self._flow.take_ready(snapshot.failing):
                        self._consider(node, snapshot)
            await self._commit()
            if not self._inbox and not self._flow.ready and not self._draft.batch:
                return

    def _consider(self, node: Node, snapshot: Snapshot) -> None:
        """Let one occurrence pass gates, overlap, needs and slots; write down why not."""
        if node.ended:
            return
        objection = admit(node.firing, snapshot)
        if objection is None and not node.entered:
            objection = self._entrance.overlap(node)
            if objection is None and not node.entered:
                return
        if objection is None:
            got = self._supply(node)
            if got.missing is None:
                holds = self._parts.slots.holds(node.firing)
                if holds or self._entrance.slot(node, failing=snapshot.failing(node.firing)):
                    self._start(node, got)
                return
            objection = NonRun(RunStatus.SKIPPED, got.missing)
        self._end_without_run(node, objection)

    def _supply(self, node: Node) -> Supply:
        """Gather what a run needs from what the cycle began with and has made since."""
        if not node.edges:
            return NOTHING
        parts = self._parts
        moment = Moment(self.due, node.firing.job.schedule.calendar, parts.schedule_of)
        return supply(
            node.edges,
            self._values.joined(node.arrived),
            parts.graph,
            moment,
            lambda edge: self._flow.why_not(edge, parts.live, self.due),
        )

    def _await_earlier(self, pull: Pull) -> None:
        """Wait for a run of an earlier cycle, but no longer than the job's own grace."""
        parts = self._parts
        patience = Patience(
            self._flow.nodes[pull.plugin_id], pull.run, parts.board, self._flow.release
        )

        timer = self._after(pull.patience.total_seconds(), patience.node, patience.give_up)
        pull.run.watchers += [lambda: self._post(patience.settle), timer.cancel]

    def _start(self, node: Node, got: Supply) -> None:
        """Write the attempt ahead; it starts after the commit."""
        parts, job, row = self._parts, node.firing.job, node.row
        row.inputs = got.inputs
        worker = parts.runner.worker_of(job.placement)
        open_attempt(row, parts.clock, worker.name if worker else job.placement, self._draft.batch)
        row.held = "" if parts.clock.timeless else parts.runner.held(job)
        if parts.standings is not None:
            parts.standings.start(row)
        stream = node.live.endless and not parts.clock.timeless
        node.request = RunRequest(
            key=row.key,
            run_id=row.run_id,
            attempt=row.attempts,
            job=job,
            started=row.started_at or self.due,
            timeout=math.inf if stream else parts.safety_timeout or job.timeout,
            given=got.given,
            view=FreshView(parts.recorder, parts.board, job.plugin_id)
            if stream
            else RunView(self._view, job.plugin_id),
            events=node.firing.events,
            replay=parts.clock.timeless,
            commit=Parting(node.firing, row, parts, self.due).commit if stream else None,
        )
        self._draft.start(node)

    async def _commit(self) -> None:
        """Write everything decided since the last commit; start what it admitted."""
        taken, recorder = self._draft.take(), self._parts.recorder
        try:
            write = recorder.intend if taken.starting else recorder.write
            rejected = await write(taken.batch)
        except NeverWrittenError:
            raise
        except StoreError as error:
            for node in taken.starting:
                refuse_attempt(node.row, refused("store", error.message), self._parts.clock)
            taken.unsettled += taken.starting
            taken.starting.clear()
            rejected = await recorder.write(self._draft.without_starts(taken.batch))
        for node in taken.starting:
            node.task = self._group.create_task(self._attempt(node))
        failures = {one.run_id: one.failure for one in rejected}
        for node in taken.unsettled:
            if node.row.run_id in failures:
                self._leavings.reject(node.row, failures[node.row.run_id], self._values)
            self._ended(node)
        for node in (*taken.settling, *taken.unsettled):
            self._parts.live.settle(node.live)

    async def _attempt(self, node: Node) -> None:
        """Make one attempt and post its outcome; a told end is an outcome, not an error."""
        assert node.request is not None  # noqa: S101 - set by _start
        node.begun = True
        try:
            if node.told:
                outcome = _cancelled(node)
            else:
                outcome = await self._parts.runner.attempt(node.request)
        except asyncio.CancelledError:
            if not node.told:
                raise
            outcome = _cancelled(node)
        self._post(lambda: self._finish(node, outcome))

    def _finish(self, node: Node, outcome: Outcome) -> None:
        """Take in how an attempt ended: try again, or end the run."""
        node.task, node.begun = None, False
        ending = close_attempt(node.firing, node.row, outcome, self._parts, self._draft.batch)
        self._draft.touch(node.row)
        if ending.retry_after is not None:
            self._parts.slots.give_back(node.firing)
            self._after(ending.retry_after, node, lambda: self._flow.ready.append(node))
            return
        self._leavings.take(ending, self._values)
        if outcome.statements and node.row.status is RunStatus.SUCCEEDED:
            self._draft.unsettled.append(node)
        else:
            self._ended(node)

    def _after(self, seconds: float, node: Node, what: Callable[[], None]) -> asyncio.Task[None]:
        """Do something for a node after a pause, unless the node ends before."""

        async def ring() -> None:
            await self._parts.clock.pause(seconds)
            self._post(what)

        timer = self._group.create_task(ring())
        node.timers.append(timer)
        return timer

    def _tell_to_end(self, node: Node, why: str, manner: Manner) -> None:
        """End an occurrence because somebody says so, wherever it is on its way.

        An attempt that is written down but has not begun ends when it begins; a second word
        changes nothing unless it is the harder one. What yields stays due, for another cycle.
        """
        softer = manner is Manner.YIELD or not node.yields
        if node.ended or (node.told and softer and manner is not Manner.AT_ONCE):
            return
        again = bool(node.told) and manner is not Manner.AT_ONCE
        node.told, node.yields = why, manner is Manner.YIELD
        if node.request is not None:
            node.request.abrupt = manner is Manner.AT_ONCE
        if node.task is not None and node.begun:
            if not again:
                node.task.cancel()
        elif node.row.status is RunStatus.DUE:
            cancelled = NonRun(RunStatus.CANCELLED, Reason("cancelled", why))
            self._post(lambda: self._end_without_run(node, None if node.yields else cancelled))

    def _end_without_run(self, node: Node, objection: NonRun | None) -> None:
        """Write down that an occurrence does not run, and why; with no objection it stays due."""
        if node.ended:
            return
        if objection is not None:
            node.row.move(objection.status, objection.reason)
            node.row.finished_at = self._parts.clock.now()
            self._draft.touch(node.row)
        self._ended(node)

    def _ended(self, node: Node) -> None:
        """Let go of what a run held and of who waits for it."""
        self._flow.end(node)
        for timer in node.timers:
            timer.cancel()
        self._entrance.leave(node)
        self._leavings.judge(node.firing.job, node.row, self._parts, self._draft.batch)
        self._draft.settling.append(node)
        self._bell.set()

    def _post(self, what: Callable[[], None]) -> None:
        """Put something into the inbox; the cycle's own coroutine does it."""
        self._inbox.append(what)
        self._bell.set()


def _cancelled(node: Node) -> Outcome:
    """Give the outcome of an attempt that somebody ended."""
    status = RunStatus.PREEMPTED if node.yields else RunStatus.CANCELLED
    return Outcome(status, Reason(status.value, node.told))
