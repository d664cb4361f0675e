"""What this machine offers to the service, found by asking it; for ``optifire doctor``."""

from __future__ import annotations

import datetime as dt
import os
import platform
import resource
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from optifire.ops import kernel
from optifire.ops.leaves import CONTROLLERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MB: Final = 1_000_000
#: pidfd_open came with 5.3, Landlock with 5.13 (pidfd_open(2), landlock(7)).
OLDEST_KERNEL: Final = (5, 13)
OLDEST_PYTHON: Final = (3, 11)
#: STRICT tables came with 3.37 (https://sqlite.org/stricttables.html).
OLDEST_SQLITE: Final = (3, 37, 0)
#: Room for the log with its old files, for the ledger to grow, and for a copy of it.
LEAST_FREE_MB: Final = 500
LEAST_MEMORY_MB: Final = 900
LEAST_FILES: Final = 512
#: A file may be so much newer than the clock: file systems round, and hosts differ a little.
CLOCK_SLACK: Final = dt.timedelta(seconds=60)
#: WAL needs memory shared by all who have the file open, which no network file system gives
#: (https://sqlite.org/wal.html, "All processes using a database must be on the same host").
NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs"})


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that was looked at; ``level`` is note, warning or error."""

    rule: str
    level: str
    where: str
    message: str
    remedy: str = ""


def probe(data: Path, *, now: dt.datetime) -> tuple[Offer, ...]:
    """Look at the machine, and at the folder that holds (or will hold) the ledger."""
    folder = next(place for place in (data, *data.parents) if place.exists())
    checks: tuple[Iterable[Offer], ...] = (
        on_platform(platform.system(), platform.machine(), platform.release()),
        on_python(sys.version_info[:3]),
        on_sqlite(sqlite3.sqlite_version_info),
        on_folder(folder, writable=os.access(folder, os.W_OK | os.X_OK), fstype=fstype_of(folder)),
        on_disk(folder, psutil.disk_usage(str(folder)).free / MB),
        on_memory(psutil.virtual_memory().total / MB),
        on_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        on_clock(now, newest_file(data), synchronised=kernel.clock_is_synchronised()),
        on_landlock(kernel.landlock_version()),
        on_delegation(kernel.delegation()),
    )
    return tuple(offer for check in checks for offer in check)


def on_platform(system: str, machine: str, release: str) -> Iterator[Offer]:
    """Check kernel and processor."""
    where = f"{system} {release} {machine}"
    if system != "Linux" or _numbers(release) < OLDEST_KERNEL:
        wanted = ".".join(map(str, OLDEST_KERNEL))
        yield Offer("kernel", "error", where, "not a Linux that OptiFIRE runs on", f"Use {wanted}+")
    elif machine not in kernel.MACHINES:
        remedy = "Expect surprises, and tell us about them"
        yield Offer("kernel", "warning", where, "OptiFIRE was never tried on it", remedy)
    else:
        yield Offer("kernel", "note", where, "as needed")


def on_python(version: Sequence[int]) -> Iterator[Offer]:
    """Check the interpreter."""
    yield _at_least("python", version, OLDEST_PYTHON, sys.executable)


def on_sqlite(version: Sequence[int]) -> Iterator[Offer]:
    """Check the SQLite library that Python was linked with."""
    yield _at_least("sqlite", version, OLDEST_SQLITE, "the sqlite3 module of Python")


def on_folder(folder: Path, *, writable: bool, fstype: str) -> Iterator[Offer]:
    """Check who may write the data folder and what it lies on."""
    if not writable:
        remedy = "Give it to the user that runs the service"
        yield Offer("data", "error", str(folder), "this user may not write here", remedy)
    if fstype in NETWORK:
        message = f"it lies on {fstype}, where the ledger can be damaged"
        yield Offer("data", "error", str(folder), message, "Keep the home on a local disk")


def on_disk(folder: Path, free_mb: float) -> Iterator[Offer]:
    """Check free space."""
    message = f"{free_mb:,.0f} MB free"
    if free_mb < LEAST_FREE_MB:
        remedy = f"Make room until {LEAST_FREE_MB} MB are free"
        yield Offer("disk", "warning", str(folder), message, remedy)
    else:
        yield Offer("disk", "note", str(folder), message)


def on_memory(total_mb: float) -> Iterator[Offer]:
    """Check the machine's memory."""
    message = f"{total_mb:,.0f} MB of memory"
    small = total_mb < LEAST_MEMORY_MB
    remedy = "Enable fewer plugins that need pandas" if small else ""
    yield Offer("memory", "warning" if small else "note", "this machine", message, remedy)


def on_files(limit: int) -> Iterator[Offer]:
    """Check how many files the service may have open."""
    unlimited = limit == resource.RLIM_INFINITY
    if not unlimited and limit < LEAST_FILES:
        remedy = f"Raise it to {LEAST_FILES} (ulimit -n, LimitNOFILE=)"
        yield Offer("files", "warning", "this user", f"{limit} files may be open at once", remedy)


def on_clock(
    now: dt.datetime, newest: dt.datetime | None, *, synchronised: bool | None
) -> Iterator[Offer]:
    """Check that the clock is kept right and has not gone back behind the files here."""
    if newest is not None and newest - now > CLOCK_SLACK:
        message = f"it is {_utc(now)}, yet a file of the service is of {_utc(newest)}"
        remedy = "Set the clock, before the service takes the past for the present"
        yield Offer("clock", "error", "the system clock", message, remedy)
    if synchronised is None:
        message = "a filter of system calls keeps this program from asking whether it is kept right"
        yield Offer("clock", "note", "the system clock", message)
    elif not synchronised:
        message = "nothing keeps the clock synchronised, so the market's hours may be missed"
        remedy = "Run systemd-timesyncd, chrony or ntpd"
        yield Offer("clock", "warning", "the system clock", message, remedy)


def on_landlock(version: int | None) -> Iterator[Offer]:
    """Tell whether the kernel could confine plugins."""
    offered = "not offered" if version is None else f"offered, ABI version {version}"
    yield Offer("landlock", "note", "the kernel", offered)


def on_delegation(found: kernel.Delegation | None) -> Iterator[Offer]:
    """Tell whether control groups could limit workers."""
    if found is None:
        yield Offer(
            "cgroup", "note", "the kernel", "no cgroup v2: runs have no groups of their own"
        )
        return
    grants = ", ".join(found.controllers) if found.writable and found.controllers else "nothing"
    runs = "get groups" if found.writable and {*found.controllers} >= CONTROLLERS else "get none"
    message = f"delegated here: {grants}; runs of a service that is started like this {runs}"
    yield Offer("cgroup", "note", found.group, message)


def fstype_of(folder: Path) -> str:
    """Give the type of the file system that holds a folder, empty if nobody says."""
    place = folder.resolve()
    mounts = [
        (Path(part.mountpoint), part.fstype)
        for part in psutil.disk_partitions(all=True)
        if place.is_relative_to(part.mountpoint)
    ]
    # The deepest wins; of several on one folder the one mounted last.
    return max(enumerate(mounts), key=_depth)[1][1] if mounts else ""


def newest_file(data: Path) -> dt.datetime | None:
    """Give when a ledger in the data folder was last written, None without one."""
    times = [file.stat().st_mtime for file in data.glob("*.db")]
    return dt.datetime.fromtimestamp(max(times), dt.UTC) if times else None


def _depth(numbered: tuple[int, tuple[Path, str]]) -> tuple[int, int]:
    position, (mount, _) = numbered
    return len(mount.parts), position


def _at_least(rule: str, version: Sequence[int], least: Sequence[int], where: str) -> Offer:
    shown = ".".join(map(str, version))
    if tuple(version) >= tuple(least):
        return Offer(rule, "note", where, shown)
    wanted = ".".join(map(str, least))
    return Offer(rule, "error", where, f"{shown} is too old", f"Use {wanted} or newer")


def _numbers(release: str) -> tuple[int, ...]:
    """Give the leading numbers of ``6.18.44-generic``."""
    words = release.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0].split(".")
    return tuple(int(word) for word in words if word.isdecimal())


def _utc(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
