"""Finds what runs start, wherever it went: by the numbers that the kernel has given since.

The kernel gives numbers in order, and tells the last one for one read. So it costs nothing while
nobody starts anything, and else a question for each new number; the mark (see `marks`) tells whose
it is. Where the order does not help, all processes there are get asked.
"""

from __future__ import annotations

import errno
import math
import os
from typing import TYPE_CHECKING, Final

from optifire.workers.marks import mark_of, marked, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

#: Numbers up to which each new one is asked for; it is quicker to go through all that exist then.
MOST_NEW: Final = 256
#: Seconds between two times in which all are asked.
WALK_PERIOD: Final = 0.1
#: Seconds after which all are asked in any case: who may (CAP_CHECKPOINT_RESTORE) chooses a number,
#: and a fork that took long may have been overtaken.
SURE_PERIOD: Final = 5.0


def last_in(loadavg: bytes) -> int:
    """Give the number given last out of /proc/loadavg, its last field; 0: it does not tell."""
    return int(loadavg.split()[4])


def last_number() -> int:
    """Give the number that a process or thread was given last (proc(5), loadavg)."""
    descriptor = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return last_in(os.read(descriptor, 128))
    finally:
        os.close(descriptor)


class Kin:
    """The processes that each run has started, other than its own first one.

    Attributes
    ----------
    of
        The numbers of the processes by that of their run's own one, the older before the younger,
        and for each when it began, in clock ticks since boot, 0 until somebody has looked. Who
        finds that one has ended takes it out.
    marks
        The mark of each of these runs.
    stirred
        True once somebody may have started a process or a thread; set back by who has looked.

    Parameters
    ----------
    last
        Gives the number given last.
    """

    def __init__(self, last: Callable[[], int] = last_number) -> None:
        self._last = last
        self._none = mark_of(0)  # that of a process of no run
        self._seen = self._before = 0
        self._walked = -math.inf
        self.of: dict[int, dict[int, int]] = {}
        self.marks: dict[int, int] = {}
        self.stirred = False
        self._ended: set[int] = set()

    def find(self, runs: Collection[int], now: float) -> None:
        """Find what runs, by their own processes, have started; ``now`` is the loop's time."""
        last = self._last()
        new = last - self._before
        ordered = last > 0 and 0 <= new <= MOST_NEW
        if ordered and now - self._walked <= SURE_PERIOD:
            # From the look before the last on: a number is given a moment before one can ask.
            for pid in range(self._before + 1, last + 1):
                self._ask(pid, runs)
            self._before, self._seen = self._seen, last
        elif now - self._walked > WALK_PERIOD:
            self._walk(runs)
            self._before = self._seen = last
            self._walked = now

    def forget(self, run: int) -> None:
        """Forget a run that has ended."""
        self.of.pop(run, None)
        self.marks.pop(run, None)
        if len(self._ended) >= MOST_NEW:
            self._ended.clear()
        self._ended.add(run)

    def _walk(self, runs: Collection[int]) -> None:
        self.stirred = True
        found = marked()
        there = {run_of(mark) for mark in found}.union(runs)
        for run in self.marks.keys() - there:  # whatever bore that mark has ended
            self.of.pop(run, None)
            del self.marks[run]
        for mark, pids in found.items():
            for pid in pids:
                self._note(mark, pid)

    def _ask(self, pid: int, runs: Collection[int]) -> None:
        try:
            mark = mark_of(pid)
        except ProcessLookupError:
            # Gone already: a run that was watched, or nobody knows whose it was.
            self.stirred = self.stirred or pid not in self._ended
            return
        except PermissionError:  # it runs as somebody else
            return
        if pid != run_of(mark) and mark != self._none:
            self.stirred = self.stirred or run_of(mark) in runs
            if is_process(pid):
                self._note(mark, pid)

    def _note(self, mark: int, pid: int) -> None:
        """Note a process, also of a run that nobody has told of yet."""
        run = run_of(mark)
        if pid != run:
            self.marks[run] = mark
            self.of.setdefault(run, {}).setdefault(pid, 0)


def is_process(pid: int) -> bool:
    """Tell whether a number is that of a process, and not of another thread (pidfd_open(2))."""
    try:
        os.close(os.pidfd_open(pid))
    except ProcessLookupError:
        return False
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOENT}:
            raise
        return False
    return True
