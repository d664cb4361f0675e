"""What runs take with all that they have started; who has started too much is ended whole.

The kernel's own limits do not help: RLIMIT_NPROC (setrlimit(2)) counts all processes of a user and
does not bind root, the others hold for each process by itself.
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.core.limits import MOST_PROCESSES
from optifire.workers.kin import Kin
from optifire.workers.marks import kill_marked
from optifire.workers.procstat import stat_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.workers.live import Live

#: Seconds between two looks at what families take: some microseconds for each process.
COUNT_PERIOD: Final = 0.1


@dataclass(frozen=True, slots=True)
class Family:
    """What a run has besides its own process.

    Attributes
    ----------
    cpu
        Processor seconds of those that live and of those that were waited for.
    most
        Bytes that those that live hold at the most, less what a fork is given of its zygote.
    pids
        The numbers of those that live.
    """

    cpu: float = 0.0
    most: int = 0
    pids: tuple[int, ...] = ()


ALONE: Final = Family()


class Crowds:
    """Knows the families of runs, and stops who has more processes and threads than it may have."""

    def __init__(self, kin: Kin | None = None) -> None:
        self._kin = kin or Kin()
        self._families: dict[int, Family] = {}
        self._counted = -math.inf

    def family(self, live: Live) -> Family:
        """Give the family of a run as it was when they were last looked at."""
        return self._families.get(live.pid, ALONE)

    def forget(self, live: Live) -> None:
        """Forget a run that has ended."""
        self._kin.forget(live.pid)
        self._families.pop(live.pid, None)

    def look(self, lives: Sequence[Live], held: Sequence[int], now: float) -> None:
        """Find what was started, and look at it at most each 100 ms; ``now`` is the loop's time.

        ``held`` are the bytes of each that its process was given by the zygote.
        """
        kin, runs = self._kin, {live.pid for live in lives}
        kin.find(runs, now)
        cause = kin.stirred or not kin.of.keys().isdisjoint(runs)
        if cause and now - self._counted > COUNT_PERIOD:
            kin.stirred = False
            self._counted = now
            for live, given in zip(lives, held, strict=True):
                tasks = self.count(live, given)
                if tasks > MOST_PROCESSES and not live.ended.done():
                    self._counted = -math.inf  # until they are gone
                    self._stop(live, tasks)

    def count(self, live: Live, given: int) -> int:
        """Look at one family now; gives how many tasks it has."""
        own, known = stat_of(live.pid), self._kin.of.get(live.pid, {})
        tasks, cpu, most = (own.threads, own.waited, 0) if own is not None else (0, 0.0, 0)
        # Who is waited for goes from the child's account to the parent's, so parents come first:
        # a moment's seconds may be missed, but are not counted twice.
        found: dict[int, int] = {}
        for pid, begun in known.items():
            stat = stat_of(pid)
            if stat is None or begun not in {0, stat.begun}:  # the number may be another's by now
                continue
            found[pid] = stat.begun
            tasks, cpu = tasks + stat.threads, cpu + stat.cpu + stat.waited
            most += max(0, stat.resident - given) if stat.forked else stat.resident
        if known:  # and once more after the last has gone, who may have been waited for since
            self._kin.of[live.pid] = found
        else:
            self._kin.of.pop(live.pid, None)
        if known or cpu:
            self._families[live.pid] = Family(cpu, most, tuple(found))
        return tasks

    def _stop(self, live: Live, tasks: int) -> None:
        live.tasks = max(live.tasks, tasks)
        live.breach = live.breach or "processes"
        live.stop(signal.SIGKILL)
        kill_marked({self._kin.marks[live.pid]} if live.pid in self._kin.marks else ())
