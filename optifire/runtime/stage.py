"""Where the loop of the schedule stands, for whoever watches that it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What the loop does, or waits for."""

    #: The next instant, or somebody who wakes it.
    CLOCK = "clock"
    #: A row of what does not run, on its way into the ledger.
    RECORD = "record"
    #: The end of a cycle, where cycles follow one another.
    CYCLE = "cycle"
    #: Nothing: it has ended.
    OVER = "over"


@dataclass(slots=True)
class Place:
    """A stage, and how many there have been; equal values mean that nothing has moved."""

    stage: Stage = Stage.CLOCK
    moves: int = 0

    def move(self, stage: Stage) -> None:
        """Go over to a stage."""
        self.stage = stage
        self.moves += 1
