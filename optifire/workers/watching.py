"""Looks at every run under limits each 10 ms, and stops the one that has gone past a hard limit.

The kernel's limits of a process come before this where they can: they refuse memory at once. They
miss what is shared (mmap, memfd), what a run starts, and count processor time in whole seconds;
hence the polling. It costs two system calls a run, on files that stay open, and nothing at all
while no run is live. A run that starts processes costs more (see `crowds`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from optifire.core.budget import UNKNOWN_USAGE, Measured, Usage
from optifire.core.limits import MIB, Limits
from optifire.workers.crowds import ALONE, Crowds, Family
from optifire.workers.live import Live
from optifire.workers.outcomes import at_least, spared
from optifire.workers.procstat import stat_of
from optifire.workers.statm import PAGE
from optifire.workers.weighing import Scales

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("optifire.workers")

#: Seconds between two looks.
PERIOD: Final = 0.010
#: The same for processes in which no run goes on, and the seconds over which these are judged.
REST_PERIOD: Final = 1.0
REST_WINDOW: Final = 60.0


@dataclass(slots=True, eq=False)
class Watched:
    """One process: where its memory is read, its clock, and what it had when its run began.

    ``deadline`` is the instant of the loop's time at which it is stopped; processor time is
    counted anew after each ``window`` seconds. ``kin_cpu`` is what those that it has started, and
    those of them that it has waited for, had taken when it began to count.
    """

    live: Live
    limits: Limits
    resident: int
    shared: int
    cpu: float
    statm: int
    deadline: float = math.inf
    window: float = math.inf
    since: float = 0.0
    group: Group | None = None
    kin_cpu: float = 0.0
    scales: Scales = field(default_factory=Scales)

    @property
    def clock(self) -> int:
        """Give the clock of a process's processor time (clock_getcpuclockid(3), CPUCLOCK_SCHED)."""
        return (~self.live.pid << 3) | 2


class Group(Protocol):
    """Where the processes of one run are held together by the kernel."""

    def put(self, pid: int) -> None:
        """Move a process into it; raises `OSError`."""

    def killed(self) -> bool:
        """Tell whether the kernel has killed it because it was at its memory limit."""


class Groups(Protocol):
    """What makes groups, and ends them."""

    def make(self, limits: Limits) -> Group:
        """Make a group for a run under limits; raises `OSError` when the kernel will not."""

    def drop(self, group: Any, /) -> None:  # noqa: ANN401 - one that it made
        """End a group and all that is in it."""


class Watching:
    """One poller for all live runs, on the running loop's timer while there are any.

    Processes that live on without a run are looked at once a second.

    Parameters
    ----------
    groups
        Hold what a run has started together; None where the kernel lets nobody make any.
    """

    def __init__(self, groups: Groups | None = None) -> None:
        self._groups = groups
        self._watched: dict[int, Watched] = {}
        self._resting: dict[int, Watched] = {}
        self._crowds = Crowds()
        self._timer: asyncio.TimerHandle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def begin(
        self, live: Live, limits: Limits | None, *, held: tuple[int, int], cpu: float
    ) -> None:
        """Watch a child as soon as its process is known.

        ``held``, resident bytes and those of them in files, and seconds are not its plugin's.
        Without limits there is nothing to watch.
        """
        if limits is None:
            return
        if live.pid:
            self._add(live, limits, held, cpu)
        else:
            live.on_forked = lambda: self._add(live, limits, held, cpu)

    def _add(self, live: Live, limits: Limits, held: tuple[int, int], cpu: float) -> None:
        watched = self._opened(live, limits, held, cpu)
        if watched is not None:
            self.wake(watched)

    def stay(self, live: Live, limits: Limits, *, held: tuple[int, int]) -> Watched | None:
        """Watch a process that lives on, until `drop`; None when it has ended already."""
        watched = self._opened(live, limits, held, 0.0)
        if watched is not None:
            self.rest(watched)
        return watched

    def wake(self, watched: Watched) -> None:
        """Look at a process often: a run has begun in it."""
        if self._crowds.family(watched.live) is not ALONE:  # a resident that has started any
            self._crowds.count(watched.live, watched.resident)
            watched.kin_cpu = self._crowds.family(watched.live).cpu
            watched.live.seen = UNKNOWN_USAGE
        self._resting.pop(id(watched.live), None)
        self._watched[id(watched.live)] = watched
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PERIOD, self._look)

    def rest(self, watched: Watched) -> None:
        """Look at a process now and then: no run goes on in it.

        What it does by itself may take, each minute, what a run may take.
        """
        loop = asyncio.get_running_loop()
        self._watched.pop(id(watched.live), None)
        self._resting[id(watched.live)] = watched
        watched.deadline, watched.window = math.inf, REST_WINDOW
        watched.since = -math.inf  # the first look begins to count
        if self._slow_timer is None:
            self._slow_timer = loop.call_later(REST_PERIOD, self._look_slowly)

    def waited(self, live: Live) -> float:
        """Give the processor seconds of all that a process has started and waited for so far."""
        if self._crowds.family(live) is ALONE:
            return 0.0
        stat = stat_of(live.pid)
        return stat.waited if stat is not None else 0.0

    def settle(self, live: Live) -> None:
        """Take note of what the kernel did to a child that has ended."""
        for where in (self._watched, self._resting):
            watched = where.get(id(live))
            if watched is not None and watched.group is not None and watched.group.killed():
                live.breach = live.breach or "memory"

    def drop(self, live: Live) -> None:
        """Watch a child no longer; all that it has started ends with it."""
        live.on_forked = None
        self._crowds.forget(live)
        for where in (self._watched, self._resting):
            watched = where.pop(id(live), None)
            if watched is not None:
                os.close(watched.statm)
                if watched.group is not None and self._groups is not None:
                    self._groups.drop(watched.group)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _opened(
        self, live: Live, limits: Limits, held: tuple[int, int], cpu: float
    ) -> Watched | None:
        """Keep a process's file of its memory open; None when it has ended, and been reaped."""
        try:
            statm = os.open(f"/proc/{live.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        watched = Watched(live, limits, *held, cpu, statm)
        if self._groups is not None:
            try:
                watched.group = self._groups.make(limits)
                watched.group.put(live.pid)
            except OSError as error:  # the other limits hold without it
                log.warning("a run has no control group of its own: %s", error)
        return watched

    def _look(self) -> None:
        self._timer = None
        if self._watched:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PERIOD, self._look)
            self._judge_all(self._watched, loop.time())

    def _look_slowly(self) -> None:
        self._slow_timer = None
        if self._resting:
            loop = asyncio.get_running_loop()
            self._slow_timer = loop.call_later(REST_PERIOD, self._look_slowly)
            self._judge_all(self._resting, loop.time())

    def _judge_all(self, processes: Mapping[int, Watched], now: float) -> None:
        everybody = [*self._watched.values(), *self._resting.values()]
        lives, held = [each.live for each in everybody], [each.resident for each in everybody]
        self._crowds.look(lives, held, now)
        for watched in list(processes.values()):
            family = self._crowds.family(watched.live)
            with suppress(OSError):  # it is gone, which its end will tell
                if now - watched.since > watched.window:
                    watched.since, watched.kin_cpu = now, family.cpu
                    watched.cpu = time.clock_gettime(watched.clock)
                _judge(watched, family, now)
            if now > watched.deadline:
                watched.deadline = math.inf
                watched.live.late()


def _judge(watched: Watched, family: Family, now: float) -> None:
    """Stop a run that is past a hard limit."""
    live, limits = watched.live, watched.limits
    used = _usage(watched, family, now)
    if family.pids:  # when these have ended with it nobody tells what they had
        live.seen = at_least(used, live.seen)
    what = limits.hard_breach(used)
    if not what:
        return
    live.breach, live.seen = live.breach or what, at_least(used, live.seen)
    # Memory goes on growing while a process is asked nicely; a loop may say where it stood, but
    # gets no more than one period for it.
    at_once = what == "memory" or live.stopping is not None
    live.stop(signal.SIGKILL if at_once else signal.SIGTERM)


def _usage(watched: Watched, family: Family, now: float) -> Usage:
    """Give what a live run has used so far, with its family; raises `OSError` once it is gone."""
    live = watched.live
    resident, shared = (int(pages) * PAGE for pages in os.pread(watched.statm, 128, 0).split()[1:3])
    live.shared = max(live.shared, shared)
    cpu = time.clock_gettime(watched.clock) - watched.cpu
    cpu += max(0.0, family.cpu - watched.kin_cpu)  # of who ends unawaited it is lost
    grown = max(0, resident - watched.resident - spared(live, shared - watched.shared))
    if grown + family.most > watched.limits.mem_hard_bytes and family.pids:
        grown = max(grown, _with_family(watched, family, grown, now))
    return Usage(cpu * 1e3, grown / MIB, None, Measured.METERED)


def _with_family(watched: Watched, family: Family, grown: int, now: float) -> int:
    """Give the bytes that a family is known to hold; they are found out meanwhile, for next time.

    Given were the pages that are its zygote's, in no file, and what it was lent.
    """
    lent = watched.live.talk.lent_bytes
    given = watched.resident - watched.shared + lent
    watched.scales.put(watched.live.pid, family.pids, grown=grown - lent, given=given, now=now)
    return watched.scales.weighed
