"""Processes that a run has left behind, found however they left its group, killed and reaped.

A zygote is the subreaper of all that its children start (prctl(2), PR_SET_CHILD_SUBREAPER): who
loses a parent there becomes a child of the zygote, through `setsid` and any number of forks. Whose
run it was is told by a limit that Linux has not looked at since 2.4.25 and that every process
inherits (getrlimit(2), RLIMIT_LOCKS): it holds the number of the run's own process.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_CHILD_SUBREAPER: Final = 36
_RLIMIT_LOCKS: Final = 10
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl
#: Generations that are killed at once; what is left then goes when the next run has ended.
_ROUNDS: Final = 100
#: Milliseconds in which a killed process has ended, unless the kernel holds it.
_PATIENCE: Final = 50


def adopt_orphans() -> None:
    """Become the parent of whoever loses one among this process's descendants."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def mark_run() -> None:
    """Mark this process, and all that it will start, by its number."""
    number = os.getpid()
    resource.setrlimit(_RLIMIT_LOCKS, (number, number))


def sweep(leaders: Collection[int]) -> None:
    """Kill what runs have left behind that are not among those that live, and reap it.

    Parameters
    ----------
    leaders
        The processes of living runs; they and what they have started stay.
    """
    for _ in range(_ROUNDS):
        strays = [pid for pid in _children() if pid not in leaders and not _kept(pid, leaders)]
        if not strays:
            return
        for pid in strays:  # children of ours: a number is theirs until they are reaped
            os.kill(pid, signal.SIGKILL)
        reaped = [_reaped(pid) for pid in strays]
        if not all(reaped):
            return


def _children() -> list[int]:
    """Give the children of this process, which has one thread (proc(5), task/children)."""
    children = os.open("/proc/thread-self/children", os.O_RDONLY)
    try:
        found = b""
        while part := os.read(children, 1 << 16):
            found += part
    finally:
        os.close(children)
    return [int(pid) for pid in found.split()]


def _kept(pid: int, leaders: Collection[int]) -> bool:
    """Tell whether an orphan is of a run that lives; one that has ended is reaped here."""
    try:
        if resource.prlimit(pid, _RLIMIT_LOCKS)[0] not in leaders:
            return False
    except PermissionError:
        return True  # it runs as somebody else, who alone can end it
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True


def _reaped(pid: int) -> bool:
    """Reap a killed process; False if the kernel holds it, so that nobody waits for it here."""
    pidfd = os.pidfd_open(pid)
    try:
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        return bool(waiting.poll(_PATIENCE)) and os.waitpid(pid, os.WNOHANG)[0] == pid
    finally:
        os.close(pidfd)
