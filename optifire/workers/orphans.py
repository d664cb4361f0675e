"""Processes that a run has left behind, found however they left its group, killed and reaped.

A zygote is the subreaper of all that its children start (prctl(2), PR_SET_CHILD_SUBREAPER): who
loses a parent there becomes a child of the zygote, through `setsid` and any number of forks, and of
the service when the zygote is gone. Whose run it was is told by its mark (see `marks`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.workers.children import children, reaped
from optifire.workers.marks import kill_marked, mark_for, mark_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PR_SET_CHILD_SUBREAPER: Final = 36
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl
#: How often it is looked again. A family goes in the first round or two; who forks faster than it
#: is looked for would keep a zygote from its other runs, and goes when the next one has ended.
_ROUNDS: Final = 20
#: Two zygotes may die at once, and what is reaped is nobody's any more.
_ADOPTED: Final = threading.Lock()


def adopt_orphans() -> None:
    """Become the parent of whoever loses one among this process's descendants."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def sweep(leaders: Collection[int]) -> None:
    """Kill what runs have left behind that are not among those that live, and reap it.

    Where there is an orphan, all that bears its mark goes at once, however deep it stands below,
    so that a family ends in one round; only who forks faster than this looks needs another.

    Parameters
    ----------
    leaders
        The processes of living runs; they and what they have started stay.
    """
    kept = {mark_for(os.getpid(), leader) for leader in leaders}
    for _ in range(_ROUNDS):
        found = {pid: _stray(pid, kept) for pid in children() if pid not in leaders}
        if not _ended({pid: mark for pid, mark in found.items() if mark is not None}):
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
    with _ADOPTED:
        for _ in range(_ROUNDS):
            found = {pid: _adopted(pid, leaders) for pid in children(many_threads=True)}
            if not _ended({pid: mark for pid, mark in found.items() if mark is not None}):
                return


def _ended(strays: Mapping[int, int]) -> bool:
    """Kill and reap children with all that bears their marks; True if there may be more."""
    killed = [pid for pid in strays if _killed(pid)]
    kill_marked(set(strays.values()))
    gone = [reaped(pid) for pid in killed]
    return bool(killed) and all(gone)


def _killed(pid: int) -> bool:
    """Kill a child, whose number is its own until it is reaped; False if it is somebody else's."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    return True


def _stray(pid: int, kept: Collection[int]) -> int | None:
    """Give the mark of an orphan that is to go, None for one that stays.

    One of a run that lives stays; it is reaped here when it has ended.
    """
    try:
        mark = mark_of(pid)
    except PermissionError:  # it runs as somebody else, who alone can end it
        return None
    if mark not in kept:
        return mark
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return None


def _adopted(pid: int, leaders: Collection[int]) -> int | None:
    """Give the mark of a child that has come from a dead zygote, None for one of our own."""
    with suppress(PermissionError, ProcessLookupError):
        mark = mark_of(pid)
        if pid in leaders or mark != mark_of(0):
            return mark
    return None
