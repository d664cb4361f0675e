"""Whose run a process is of: told by a mark that all inherit that a run starts.

It is a limit that Linux has not looked at since 2.4.25 (getrlimit(2), RLIMIT_LOCKS), and holds the
numbers of the zygote and of the run's own process: the latter may be another's when it has ended.
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.workers.children import processes

if TYPE_CHECKING:
    from collections.abc import Collection

_RLIMIT_LOCKS: Final = 10
#: Rounds through all processes of the machine in search of some to kill, a millisecond or so each.
_ROUNDS: Final = 8
#: No number of a process has more (proc(5), pid_max).
_PID_BITS: Final = 22


def mark_run(zygote: int) -> None:
    """Mark this process, and all that it will start, as a run of a zygote."""
    mark = mark_for(zygote, os.getpid())
    resource.setrlimit(_RLIMIT_LOCKS, (mark, mark))


def mark_for(zygote: int, run: int) -> int:
    """Give the mark of a run: the number of its own process, and of the zygote that forked it."""
    return zygote << _PID_BITS | run


def mark_of(pid: int) -> int:
    """Give the mark of a process; of no run it is what this process has, too.

    Raises `ProcessLookupError` when it is gone, and `PermissionError` when it runs as somebody
    else, who alone can end it.
    """
    return resource.prlimit(pid, _RLIMIT_LOCKS)[0]


def run_of(mark: int) -> int:
    """Give the number of the run's own process out of its mark."""
    return mark & ((1 << _PID_BITS) - 1)


def zygote_of(mark: int) -> int:
    """Give the number of the zygote out of a run's mark."""
    return mark >> _PID_BITS


def marked() -> dict[int, list[int]]:
    """Give the processes of all runs by their mark; also what has ended and nobody has reaped."""
    found: dict[int, list[int]] = {}
    none = mark_of(0)
    for pid in processes():
        with suppress(ProcessLookupError, PermissionError):
            mark = mark_of(pid)
            if mark != none:
                found.setdefault(mark, []).append(pid)
    return found


def kill_marked(marks: Collection[int]) -> None:
    """Kill every process that bears one of these marks; never one that has none.

    Who was forked while this went through the others is found by going through them again. One
    with a signal before it forks no more (fork(2), ERESTARTNOINTR), so that takes a few rounds.
    """
    wanted = set(marks) - {mark_of(0)}
    seen: set[int] = set()
    for _ in range(_ROUNDS if wanted else 0):
        bearers = marked()
        fresh = {pid: mark for mark in wanted for pid in bearers.get(mark, ()) if pid not in seen}
        for pid, mark in fresh.items():
            with suppress(ProcessLookupError, PermissionError):
                _kill_if(pid, mark)
        seen.update(fresh)
        if not fresh:
            return


def _kill_if(pid: int, mark: int) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        if mark_of(pid) == mark:  # the number was not given to another meanwhile
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        os.close(pidfd)
