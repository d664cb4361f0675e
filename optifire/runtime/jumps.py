"""Jumps of the system clock and sleeps of the machine, told by comparing clocks.

Two clocks of Linux are set by nobody: one stands still while the machine sleeps, one does not
(clock_gettime(2): CLOCK_MONOTONIC and CLOCK_BOOTTIME). What the wall clock went further than the
second is a jump; what the second went further than the first was sleep.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.core.phrases import span

if TYPE_CHECKING:
    from collections.abc import Callable

#: From so much on a difference is a jump; a clock that is kept right by slewing it comes nowhere
#: near it between two looks: that is 0.5 ms a second (adjtimex(2)).
LEAST: Final = timedelta(seconds=2)
#: Seconds between the first and the last of the clocks that are read together, at most.
TOGETHER: Final = 0.1


def roughly(length: timedelta) -> str:
    """Give a length of time in words, to the second."""
    return span(timedelta(seconds=round(length.total_seconds())))


@dataclass(frozen=True, slots=True)
class Jump:
    """One jump of the wall clock: what it says now, and how far it went; negative is back.

    ``asleep``: that much time has passed, while the machine slept.
    """

    at: datetime
    by: timedelta
    asleep: bool = False

    @property
    def sentence(self) -> str:
        """Say what happened and what becomes of the schedule."""
        far, at = roughly(abs(self.by)), f"{self.at:%Y-%m-%dT%H:%M:%SZ}"
        if self.by < timedelta():
            return (
                f"the system clock went back {far}, to {at}: nothing runs a second time, so "
                f"nothing is due for {far}"
            )
        what = "the machine slept" if self.asleep else "the system clock went forward"
        return f"{what} for {far}, until {at}: what was due meanwhile counts as found late"


class JumpWatch:
    """Finds jumps since the last look.

    Parameters
    ----------
    wall
        Gives the present that schedules go by.
    awake, passed
        Give seconds that only grow, without and with those in which the machine slept.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        awake: Callable[[], float],
        passed: Callable[[], float],
    ) -> None:
        self._wall = wall
        self._awake = awake
        self._passed = passed
        self._last = self._read()

    def look(self) -> list[Jump]:
        """Give what has happened since the last look: a sleep, a jump, or both in this order."""
        (wall, awake, passed), before = self._read(), self._last
        self._last = wall, awake, passed
        slept = timedelta(seconds=(passed - before[2]) - (awake - before[1]))
        leapt = (wall - before[0]) - timedelta(seconds=passed - before[2])
        found = [Jump(wall - leapt, slept, asleep=True)] if slept > LEAST else []
        return [*found, *([Jump(wall, leapt)] if abs(leapt) > LEAST else [])]

    def _read(self) -> tuple[datetime, float, float]:
        """Read all three at once; again when the process was kept waiting in between."""
        while True:
            began = self._passed()
            wall, awake, passed = self._wall(), self._awake(), self._passed()
            if passed - began < TOGETHER:
                return wall, awake, passed
