"""The way in: overlap and slots, which let an occurrence go now, later, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from optifire.core.job import Effect, Job, Overlap
from optifire.runtime.admission import NonRun, skipped
from optifire.runtime.dataflow import Node
from optifire.runtime.overlap import LiveRuns, Manner, Move, Waiting, decide
from optifire.runtime.slots import Slots

_DISPLACED = skipped("overlap", "a newer occurrence took its place")


@dataclass(frozen=True, slots=True)
class Entrance:
    """Lets the nodes of one cycle in, one question at a time.

    Parameters
    ----------
    live, slots
        What all cycles share.
    again
        Considers a node again, in its cycle's own time.
    refuse
        Ends a node without a run, in its cycle's own time.
    """

    live: LiveRuns
    slots: Slots
    again: Callable[[Node], None]
    refuse: Callable[[Node, NonRun], None]

    def overlap(self, node: Node) -> NonRun | None:
        """Apply the overlap rule; the way is free when the node is in progress afterwards."""
        firing = node.firing
        if not (self.live.others(firing.job) or self.live.queued(firing.job)):
            self._enter(node)
            return None
        move = decide(firing.job.overlap, busy=True, forced=bool(firing.force))
        if move in {Move.SKIP, Move.END_OTHERS} and not self.live.busy_with(firing.job):
            move = Move.WAIT  # another job of the lane is busy: one at a time, and neither goes
        if move is not Move.RUN and firing.in_turn:
            move = Move.WAIT
        if move is Move.SKIP:
            return skipped("overlap")
        if move is Move.RUN:
            self._enter(node)
        else:
            self.live.wait(
                Waiting(firing, lambda: self._let_go(node), lambda: self.refuse(node, _DISPLACED))
            )
            if move is Move.END_OTHERS:
                self._end_others(firing.job)
        return None

    def slot(self, node: Node, *, failing: bool) -> bool:
        """Take a slot now, or be considered again when one has come free."""
        return self.slots.take(node.firing, lambda: self.again(node), failing=failing)

    def leave(self, node: Node) -> None:
        """Give back slot and place, or the place in a queue: the occurrence is over."""
        self.slots.give_back(node.firing)
        self.live.withdraw(node.firing)
        if node.entered:
            node.entered = False
            self.live.remove(node.live)

    def abandon(self, nodes: Iterable[Node]) -> None:
        """Hold nothing for these nodes any more, even if their cycle did not end well."""
        for node in nodes:
            node.ended = True
            self.leave(node)
            self.live.settle(node.live)

    def _enter(self, node: Node) -> None:
        node.entered = True
        self.live.add(node.live)

    def _let_go(self, node: Node) -> None:
        if not node.ended:
            self._enter(node)
            self.again(node)

    def _end_others(self, job: Job) -> None:
        """End the runs in progress; the one that waits goes on when the last of them is over."""
        terminate = job.overlap is Overlap.TERMINATE_OTHER
        for other in self.live.others(job):
            if other.firing.job.plugin_id != job.plugin_id:
                continue
            killable = other.firing.job.effect is not Effect.EFFECTFUL
            manner = Manner.AT_ONCE if terminate and killable else Manner.GRACE
            other.end(f"a newer occurrence of {job.plugin_id} is due", manner)
