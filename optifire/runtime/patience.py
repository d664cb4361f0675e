"""A job's wait for a run of an earlier cycle that is still to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optifire.runtime.blackboard import Blackboard
from optifire.runtime.dataflow import Node
from optifire.runtime.overlap import LiveRun


@dataclass(slots=True, eq=False)
class Patience:
    """Ends once: because the run has been settled, or because the job waits no longer.

    What the run left is committed by then, and reaches this one job alone: a run sees nothing of
    others beyond its needs, whatever the timing.
    """

    node: Node
    run: LiveRun
    board: Blackboard
    release: Callable[[Node], None]
    over: bool = False

    def settle(self) -> None:
        """Hand over what the run left, and let the job go on."""
        if not self.over:
            self.node.arrived.update(self.board.left_by(self.run.firing.key.run_id))
        self.give_up()

    def give_up(self) -> None:
        """Let the job go on with what there is."""
        if not self.over:
            self.over = True
            self.release(self.node)
