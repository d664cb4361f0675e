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

from optifire.workers.children import PATIENCE_MS, children, reaped
from optifire.workers.guarding import now_ns
from optifire.workers.marks import kill_marked, mark_for, mark_of, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_PR_SET_CHILD_SUBREAPER: Final = 36
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl
#: How often it is looked again for what a dead zygote has left. A family goes in the first round or
#: two, and nobody forks any more whose zygote is dead for longer than this takes.
_ROUNDS: Final = 20
#: Nanoseconds that a zygote sweeps in one go. A family is gone in less; hundreds of processes take
#: the kernel longer to end, and meanwhile other runs want to be forked.
TURN_NS: Final = 20_000_000
_MS: Final = 1_000_000
#: Two zygotes may die at once, and what is reaped is nobody's any more.
_ADOPTED: Final = threading.Lock()


def adopt_orphans() -> None:
    """Become the parent of whoever loses one among this process's descendants."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def sweep(leaders: Collection[int]) -> set[int]:
    """Kill what runs have left behind that are not among those that live, and reap it.

    Gives the runs, by the numbers of their own processes, of which something is left when the time
    of one turn is up; for these it is to be called again.

    Where there is an orphan, all that bears its mark goes at once, however deep it stands below,
    so that a family ends in one round; only who forks faster than this looks needs another.

    Parameters
    ----------
    leaders
        The processes of living runs; they and what they have started stay.
    """
    kept = {mark_for(os.getpid(), leader) for leader in leaders}
    end = now_ns() + TURN_NS
    while True:
        found = {pid: _stray(pid, kept) for pid in children() if pid not in leaders}
        strays = {pid: mark for pid, mark in found.items() if mark is not None}
        killed, gone = _ended(strays, lambda: max(0, end - now_ns()) // _MS)
        if not killed:
            return set()
        if now_ns() > end or not gone:
            return {run_of(strays[pid]) for pid in killed}


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
            strays = {pid: mark for pid, mark in found.items() if mark is not None}
            killed, gone = _ended(strays, lambda: PATIENCE_MS)
            if not killed or not gone:
                return


def _ended(strays: Mapping[int, int], patience: Callable[[], int]) -> tuple[list[int], bool]:
    """Kill and reap children with all that bears their marks.

    Gives whom it has killed, and whether all of them were gone within ``patience`` milliseconds,
    asked for before each.
    """
    killed = [pid for pid in strays if _killed(pid)]
    kill_marked(set(strays.values()))
    gone = [reaped(pid, patience()) for pid in killed]
    return killed, all(gone)


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
