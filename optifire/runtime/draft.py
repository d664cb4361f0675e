"""What the next commit of a cycle will hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optifire.core.ledger import Batch, RunRow
from optifire.core.run import RunStatus
from optifire.runtime.dataflow import Node

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_UNFINISHED = frozenset({RunStatus.DUE, RunStatus.RUNNING})


@dataclass(slots=True)
class Taken:
    """One batch, the nodes it starts, and those whose end it decides or makes known."""

    batch: Batch
    starting: list[Node]
    unsettled: list[Node]
    settling: list[Node]


class Draft:
    """Rows, starts and ends decided since the last commit.

    Parameters
    ----------
    timeless
        A replay writes no row before its run has ended.
    """

    def __init__(self, *, timeless: bool) -> None:
        self._timeless = timeless
        self._rows: dict[str, RunRow] = {}
        self._starting: list[Node] = []
        self.batch = Batch()
        #: Successes with table writes: they end for others only when the writes stand.
        self.unsettled: list[Node] = []
        #: Ended with this commit: other cycles may see what they left once it has returned.
        self.settling: list[Node] = []

    def begin(self, nodes: Iterable[Node], due: datetime, turn: int) -> None:
        """Write every occurrence of the cycle down before any of it starts."""
        for node in nodes:
            self.touch(node.row)
        if turn:
            self.batch.events_taken.append((due, turn - 1))

    def touch(self, row: RunRow) -> None:
        """Write a row with the next commit."""
        self._rows[row.run_id] = row

    def start(self, node: Node) -> None:
        """Start an attempt after the next commit."""
        self.touch(node.row)
        self._starting.append(node)

    def take(self) -> Taken:
        """Give what is to be written and whom it starts, ends and settles; begin anew."""
        batch = self.batch
        taken = Taken(batch, self._starting, self.unsettled, self.settling)
        batch.runs = [
            row for row in self._rows.values() if not (self._timeless and row.status in _UNFINISHED)
        ]
        self.batch, self._rows = Batch(), {}
        self._starting, self.unsettled, self.settling = [], [], []
        return taken

    @staticmethod
    def without_starts(batch: Batch) -> Batch:
        """Give a batch without the attempts that could not be written ahead."""
        begun = [one for one in batch.attempts if one.status is not RunStatus.RUNNING]
        return replace(batch, attempts=begun)
