"""The children of this process, as the kernel lists them."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.workers.procstat import stat_of

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of one task, by its number or ``thread-self`` (proc(5), task/children).
_OF_ONE: Final = "/proc/thread-self/children"
_OF_EACH: Final = "/proc/self/task/{}/children"
#: Milliseconds in which a killed process has ended, unless the kernel holds it.
PATIENCE_MS: Final = 50


def children(*, many_threads: bool = False) -> list[int]:
    """Give the children of this process, which has one thread unless told otherwise.

    A kernel without CONFIG_PROC_CHILDREN lists none; there all processes are asked whose they are.
    """
    if not os.path.exists(_OF_ONE):  # noqa: PTH110 - at the end of every run
        own = os.getpid()
        return [pid for pid in processes() if _parent(pid) == own]
    if not many_threads:
        return _listed(_OF_ONE)
    tasks: Iterable[str] = os.listdir("/proc/self/task")  # noqa: PTH208 - names are wanted
    return [pid for task in tasks for pid in _listed(_OF_EACH.format(task))]


def processes() -> list[int]:
    """Give all processes that this one may see."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 - often


def begun(pid: int) -> int:
    """Give when a process began, in clock ticks since boot, 0 once it is gone."""
    stat = stat_of(pid)
    return stat.begun if stat is not None else 0


def reaped(pid: int, patience: int = PATIENCE_MS) -> bool:
    """Reap a killed child; False if it has not ended within some milliseconds."""
    pidfd = os.pidfd_open(pid)
    try:
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        return bool(waiting.poll(patience)) and os.waitpid(pid, os.WNOHANG)[0] == pid
    finally:
        os.close(pidfd)


def _listed(path: str) -> list[int]:
    found = b""
    with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
        descriptor = os.open(path, os.O_RDONLY)
        try:
            while part := os.read(descriptor, 1 << 16):
                found += part
        finally:
            os.close(descriptor)
    return [int(pid) for pid in found.split()]


def _parent(pid: int) -> int:
    stat = stat_of(pid)
    return stat.parent if stat is not None else 0
