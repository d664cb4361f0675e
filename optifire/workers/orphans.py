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
import threading
from contextlib import suppress
from pathlib import Path
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
#: Two zygotes may die at once, and what is reaped is nobody's any more.
_ADOPTED: Final = threading.Lock()


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


def sweep_adopted(leaders: Collection[int]) -> None:
    """Kill and reap what has come to this process from a zygote that died.

    Those are its children that bear a mark: this process and what it starts itself bear none, and
    what living zygotes have forked is theirs. It may be called from any thread.

    Parameters
    ----------
    leaders
        Processes of runs that have ended with their zygote, perhaps before they were marked.
    """
    own = resource.getrlimit(_RLIMIT_LOCKS)
    with _ADOPTED:
        for _ in range(_ROUNDS):
            strays = [pid for pid in _adopted() if pid in leaders or _marked(pid, own)]
            killed = [pid for pid in strays if _killed(pid)]
            reaped = [_reaped(pid) for pid in killed]
            if not killed or not all(reaped):
                return


def _killed(pid: int) -> bool:
    """Kill a child; False if it runs as somebody else, who alone can end it."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    return True


def _adopted() -> list[int]:
    """Give the children of all threads of this process: an orphan may come to any of them."""
    found = b""
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - names are all that is wanted
        with suppress(FileNotFoundError):  # a thread that has ended
            found += Path(f"/proc/self/task/{task}/children").read_bytes()
    return [int(pid) for pid in found.split()]


def _marked(pid: int, own: tuple[int, int]) -> bool:
    """Tell whether a child bears the mark of a run."""
    try:
        return resource.prlimit(pid, _RLIMIT_LOCKS) != own
    except (PermissionError, ProcessLookupError):
        return False


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
