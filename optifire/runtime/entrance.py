"""The way in: overlap and slots, which let an occurrence go now, later, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optifire.core.job import Effect, Overlap
from optifire.runtime.admission import NonRun, Slots, skipped
from optifire.runtime.dataflow import Node
from optifire.runtime.overlap import LiveRun, LiveRuns, Manner, Move, Waiting, decide

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
    tell
        Ends a node's run in progress: why, and in which manner.
    """

    live: LiveRuns
    slots: Slots
    again: Callable[[Node], None]
    refuse: Callable[[Node, NonRun], None]
    tell: Callable[[Node, str, Manner], None]

    def overlap(self, node: Node) -> NonRun | None:
        """Apply the overlap rule; the way is free when the node is in progress afterwards."""
        firing = node.firing
        others = self.live.others(firing.job)
        busy = bool(others) or self.live.queued(firing.job)
        move = decide(firing.job.overlap, busy=busy, forced=bool(firing.force))
        if move is Move.SKIP:
            return skipped("overlap")
        if move is Move.RUN:
            self._enter(node)
        elif move is Move.WAIT:
            self.live.wait(
                Waiting(firing, lambda: self._let_go(node), lambda: self.refuse(node, _DISPLACED))
            )
        else:
            self._end_others(node, others)
        return None

    def slot(self, node: Node) -> bool:
        """Take a slot now, or be considered again when one has come free."""
        return self.slots.take(node.firing, lambda: self.again(node))

    def leave(self, node: Node) -> None:
        """Give back slot and place: the run has ended."""
        self.slots.give_back(node.firing)
        if node.live is not None:
            self.live.remove(node.live)
            node.live = None

    def _enter(self, node: Node) -> None:
        node.live = LiveRun(node.firing, lambda why, manner: self.tell(node, why, manner))
        self.live.add(node.live)

    def _let_go(self, node: Node) -> None:
        if not node.ended:
            self._enter(node)
            self.again(node)

    def _end_others(self, node: Node, others: Sequence[LiveRun]) -> None:
        """End the runs in progress, then go on with this one."""
        terminate = node.firing.job.overlap is Overlap.TERMINATE_OTHER
        left = len(others)

        def one_less() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._let_go(node)

        for other in others:
            other.watchers.append(one_less)
            killable = other.firing.job.effect is not Effect.EFFECTFUL
            manner = Manner.AT_ONCE if terminate and killable else Manner.GRACE
            other.end(f"a newer occurrence of {node.firing.job.plugin_id} is due", manner)
