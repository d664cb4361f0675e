"""Runs that start too many processes: noticed at once, counted rarely, ended whole.

The kernel's own limit (setrlimit(2), RLIMIT_NPROC) counts all processes of a user, and does not
bind root. What it tells for one read is how many tasks the whole machine has; only when these have
become more by as many as a run may have left are the processes of the runs themselves counted.
"""

from __future__ import annotations

import math
import os
import signal
from typing import TYPE_CHECKING, Final

from optifire.core.limits import MOST_PROCESSES
from optifire.workers.children import threads_of
from optifire.workers.marks import kill_marked, marked, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optifire.workers.live import Live

#: Seconds between two counts, of which each asks the kernel once for each process there is.
COUNT_PERIOD: Final = 0.1
#: Seconds after which there is a count in any case: what one run starts may hide behind as many
#: that others have ended.
SURE_PERIOD: Final = 5.0
#: Tasks by which the machine has at least grown before a count, as they come and go all the time.
LEAST_GROWTH: Final = 8


def tasks_in(loadavg: bytes) -> int:
    """Give the tasks of the machine out of /proc/loadavg: the number after the slash (proc(5)).

    It is 0 where a kernel does not tell.
    """
    return int(loadavg.split()[3].partition(b"/")[2])


def tasks() -> int:
    """Give how many tasks, processes and their threads, the machine has; 0: it does not tell."""
    descriptor = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return tasks_in(os.read(descriptor, 128))
    finally:
        os.close(descriptor)


class Crowds:
    """Stops runs that have more processes and threads than a run may have.

    Parameters
    ----------
    total
        Gives how many tasks the machine has.
    """

    def __init__(self, total: Callable[[], int] = tasks) -> None:
        self._total = total
        self._least: float = math.inf
        self._room = MOST_PROCESSES // 2
        self._counted = -math.inf

    def look(self, lives: Sequence[Live], now: float) -> None:
        """Look whether there is cause to count, and count; ``now`` is the loop's time."""
        total = self._total()
        self._least = min(self._least, total)
        since = now - self._counted
        grown = total - self._least > self._room or not total
        if since > SURE_PERIOD or (grown and since > COUNT_PERIOD):
            largest = self._count(lives)
            # No run can have too many before the machine has as many more as the largest may have.
            self._room = max(LEAST_GROWTH, MOST_PROCESSES - largest)
            self._least, self._counted = total, now if largest <= MOST_PROCESSES else -math.inf

    def _count(self, lives: Sequence[Live]) -> int:
        """Count the tasks of each run and stop who has too many; gives the most of one."""
        largest = 0
        bearers = {run_of(mark): (mark, pids) for mark, pids in marked().items()}
        for live in lives:
            mark, pids = bearers.get(live.pid, (0, []))
            number = len(pids)
            if number <= MOST_PROCESSES:
                number = sum(map(threads_of, pids))
            if number > MOST_PROCESSES and not live.ended.done():
                live.tasks = max(live.tasks, number)
                live.breach = live.breach or "processes"
                live.stop(signal.SIGKILL)
                kill_marked({mark})
            largest = max(largest, number)
        return largest
