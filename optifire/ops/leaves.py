"""A control group for each run, below the service's own, where that was delegated (cgroup v2).

What such a group limits counts everything: shared mappings, files of memory, page cache, every
process that a run has started; and killing it misses none of them. systemd grants it to a service
with ``Delegate=yes``. Whether it does is found by trying, and without it the other limits hold.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, sections "Delegation", "Memory
Interface Files", "PID" and "Core Interface Files"; for the mark of delegation systemd's
docs/CGROUP_DELEGATION.md.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.core.limits import MIB, MOST_PROCESSES
from optifire.ops.cgroup import MOUNT, PROC, group_of

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.limits import Limits

#: What a run may have above the limit at which it is stopped by others: the pages of its parent
#: that it copies by writing to them are charged to it as well.
COPIED_MB: Final = 16
#: The controllers that groups of runs need.
CONTROLLERS: Final = frozenset({"memory", "pids"})
#: Extended attributes by which systemd marks a group that it has delegated.
MARKS: Final = ("user.delegate", "trusted.delegate")


class Leaf:
    """The group of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, pid: int) -> None:
        """Move a process into the group; raises `OSError`."""
        write(self._folder / "cgroup.procs", str(pid))

    def killed(self) -> bool:
        """Tell whether the kernel has killed the group because it was at its memory limit."""
        try:
            lines = (self._folder / "memory.events").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:  # no memory controller
            return False
        found = dict(line.split() for line in lines)
        return found.get("oom_kill", "0") != "0"

    def end(self) -> None:
        """Kill every process of the group (since Linux 5.14 there is one file for it)."""
        with suppress(FileNotFoundError):
            write(self._folder / "cgroup.kill", "1")

    def remove(self) -> bool:
        """Remove the group; False while a process of it is still ending."""
        try:
            self._folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Leaves:
    """The groups of the runs of this service.

    Parameters
    ----------
    folder
        Below which they are made; `open_leaves` finds one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._ending: list[Leaf] = []

    def make(self, limits: Limits) -> Leaf:
        """Make a group for a run under limits; raises `OSError` when the kernel will not."""
        self._ending = [leaf for leaf in self._ending if not leaf.remove()]
        self._made += 1
        folder = self._folder / f"run-{self._made}"
        folder.mkdir()
        write(folder / "memory.max", str(limits.mem_hard_bytes + COPIED_MB * MIB))
        with suppress(FileNotFoundError):  # a kernel without swap
            write(folder / "memory.swap.max", "0")
        write(folder / "memory.oom.group", "1")
        write(folder / "pids.max", str(MOST_PROCESSES))
        return Leaf(folder)

    def drop(self, leaf: Leaf) -> None:
        """End a group and all that is in it; it is removed when its processes are gone."""
        leaf.end()
        if not leaf.remove():
            self._ending.append(leaf)

    def close(self) -> None:
        """Remove every group that is empty."""
        self._ending = [leaf for leaf in self._ending if not leaf.remove()]
        with suppress(OSError):
            self._folder.rmdir()


def open_leaves(*, mount: Path = MOUNT, proc: Path = PROC) -> Leaves | None:
    """Give the groups of this service where they were delegated to it, None where not.

    The service itself moves into a group beside those of its runs, since a group with processes
    of its own may not hand controllers on. Without success everything is as before.
    """
    group = group_of(os.getpid(), proc)
    if group is None or group == "/":
        return None
    own = mount / group.strip("/")
    return _prepared(own) if is_delegated(own) else None


def is_delegated(own: Path) -> bool:
    """Tell whether a group was given to this process to do with as it likes.

    The administrator may write anywhere, so to him only the mark of systemd says so.
    """
    try:
        offered = set((own / "cgroup.controllers").read_text(encoding="ascii").split())
    except FileNotFoundError:
        return False
    if not offered >= CONTROLLERS:
        return False
    if os.geteuid() != 0:
        return os.access(own, os.W_OK) and os.access(own / "cgroup.subtree_control", os.W_OK)
    return any(_attribute(own, mark) == b"1" for mark in MARKS)


def _attribute(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name)
    except OSError:
        return None


def _prepared(own: Path) -> Leaves | None:
    """Make place for the groups of runs; None when the kernel refuses a step of it."""
    service, runs = own / "service", own / "runs"
    wanted = " ".join(f"+{name}" for name in sorted(CONTROLLERS))
    try:
        service.mkdir(exist_ok=True)
        write(service / "cgroup.procs", str(os.getpid()))
        write(own / "cgroup.subtree_control", wanted)
        runs.mkdir(exist_ok=True)
        for left in runs.iterdir():  # of a service that was killed
            if left.is_dir():
                left.rmdir()
        write(runs / "cgroup.subtree_control", wanted)
    except OSError:
        _undo(own, service, runs)
        return None
    return Leaves(runs)


def _undo(own: Path, service: Path, runs: Path) -> None:
    """Put this process back where it was."""
    with suppress(OSError):
        write(own / "cgroup.procs", str(os.getpid()))
    for folder in (runs, service):
        with suppress(OSError):
            folder.rmdir()


def write(file: Path, text: str) -> None:
    """Write to a file that the kernel made; raises `OSError` where there is none."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
