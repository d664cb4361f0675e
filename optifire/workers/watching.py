"""Looks at every run under limits each 10 ms, and stops the one that has gone past a hard limit.

The kernel's limits of a process come before this where they can: they refuse memory at once. They
miss what is shared (mmap, memfd), and count processor time in whole seconds; hence the polling. It
costs two system calls a run, on files that stay open, and nothing at all while no run is live.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from optifire.core.budget import Measured, Usage
from optifire.core.limits import MIB, Limits
from optifire.workers.live import Live

#: Seconds between two looks.
PERIOD: Final = 0.010
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class _Watched:
    """One run: where its memory is read, its clock, and what it had when it began."""

    live: Live
    limits: Limits
    resident: int
    cpu: float
    statm: int

    @property
    def clock(self) -> int:
        """Give the clock of a process's processor time (clock_getcpuclockid(3), CPUCLOCK_SCHED)."""
        return (~self.live.pid << 3) | 2


class Watching:
    """One poller for all live runs, on the running loop's timer while there are any."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def begin(self, live: Live, limits: Limits | None, *, resident: int, cpu: float) -> None:
        """Watch a child as soon as its process is known.

        Bytes and seconds are what is not its plugin's. Without limits there is nothing to watch.
        """
        if limits is None:
            return
        if live.pid:
            self._add(live, limits, resident, cpu)
        else:
            live.on_forked = lambda: self._add(live, limits, resident, cpu)

    def _add(self, live: Live, limits: Limits, resident: int, cpu: float) -> None:
        try:
            statm = os.open(f"/proc/{live.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # it has ended, and been reaped
        self._watched[id(live)] = _Watched(live, limits, resident, cpu, statm)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PERIOD, self._look)

    def drop(self, live: Live) -> None:
        """Watch a child no longer."""
        live.on_forked = None
        watched = self._watched.pop(id(live), None)
        if watched is not None:
            os.close(watched.statm)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._look)
        for watched in list(self._watched.values()):
            with suppress(OSError):  # it is gone, which its end will tell
                _judge(watched)


def _judge(watched: _Watched) -> None:
    """Stop a run that is past a hard limit."""
    live, limits = watched.live, watched.limits
    used = _usage(watched)
    what = limits.hard_breach(used)
    if not what:
        return
    live.breach = live.breach or what
    # Memory goes on growing while a process is asked nicely; a loop may say where it stood, but
    # gets no more than one period for it.
    at_once = what == "memory" or live.stopping is not None
    live.stop(signal.SIGKILL if at_once else signal.SIGTERM)


def _usage(watched: _Watched) -> Usage:
    """Give what a live run has used so far; raises `OSError` once it is gone."""
    resident = int(os.pread(watched.statm, 128, 0).split()[1]) * _PAGE
    cpu = time.clock_gettime(watched.clock)
    grown = max(0, resident - watched.resident) / MIB
    return Usage((cpu - watched.cpu) * 1e3, grown, None, Measured.METERED)
