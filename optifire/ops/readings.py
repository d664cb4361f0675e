"""What psutil says about the service and its machine at one moment, as raw counters.

Only totals and counts: rates come from two readings, so that nothing has to wait for a sample.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from optifire.ops.cgroup import GroupMemory, group_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """The service's own process: bytes, counts, and seconds of processor time since its start.

    ``started_s`` is when it started, in seconds since the machine did. ``fds`` and ``fd_limit``
    are None where the machine does not let this process see them.
    """

    pid: int
    started_s: float
    cpu_s: float
    rss: int
    threads: int
    fds: int | None
    fd_limit: int | None


@dataclass(frozen=True, slots=True)
class TreeReading:
    """The service with all its descendants.

    ``pss`` counts each page shared by n processes as one n-th for each of them, so that forks are
    not counted twice (proc(5), smaps_rollup); None where it cannot be read for one of them.
    ``cpu_s`` is the processor time of those that live and of those that they have waited for.
    """

    processes: int
    rss: int
    pss: int | None
    cpu_s: float
    threads: int


@dataclass(frozen=True, slots=True)
class MachineReading:
    """The machine: bytes, seconds since it started, and of those the busy ones of all cores."""

    cores: int
    up_s: float
    busy_s: float
    load_1m: float
    memory_total: int
    memory_available: int
    swap_total: int
    swap_used: int
    disk_total: int
    disk_free: int
    disk_percent: float
    group: GroupMemory | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one moment."""

    service: ServiceReading
    tree: TreeReading
    machine: MachineReading


def read(pid: int, disk: Path) -> Reading:
    """Look at the service with that process id, and at the file system that holds ``disk``.

    Raises
    ------
    psutil.NoSuchProcess
        There is no such process.
    """
    return Reading(read_service(pid), read_tree(pid), read_machine(disk, pid))


def read_service(pid: int) -> ServiceReading:
    """Look at one process."""
    process = psutil.Process(pid)
    with process.oneshot():
        times = process.cpu_times()
        fds, fd_limit = _descriptors(process)
        return ServiceReading(
            pid=pid,
            started_s=process.create_time() - psutil.boot_time(),
            cpu_s=times.user + times.system,
            rss=process.memory_info().rss,
            threads=process.num_threads(),
            fds=fds,
            fd_limit=fd_limit,
        )


def read_tree(pid: int, *, deep: bool = True) -> TreeReading:
    """Look at a process and all its descendants; one that ends meanwhile is left out.

    The shares of memory are read only if ``deep``: the kernel walks every page for them, which
    takes one or two milliseconds for a process with pandas, everything else 0.1.
    """
    root = psutil.Process(pid)
    processes = [root, *_descendants(root)]
    found = [one for process in processes if (one := _one(process, deep=deep)) is not None]
    return TreeReading(
        processes=len(found),
        rss=sum(rss for rss, _, _, _ in found),
        pss=_sum_known(pss for _, pss, _, _ in found),
        cpu_s=sum(cpu for _, _, cpu, _ in found),
        threads=sum(threads for _, _, _, threads in found),
    )


def read_machine(disk: Path, pid: int) -> MachineReading:
    """Look at the machine, and at the control group of a process."""
    times = psutil.cpu_times()
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    space = psutil.disk_usage(str(disk))
    # The kernel counts the time of guests in user and nice as well (proc(5), /proc/stat).
    ours = sum(times) - times.guest - times.guest_nice
    return MachineReading(
        cores=psutil.cpu_count() or 1,
        up_s=uptime(),
        busy_s=ours - times.idle - times.iowait,
        load_1m=psutil.getloadavg()[0],
        memory_total=memory.total,
        memory_available=memory.available,
        swap_total=swap.total,
        swap_used=swap.used,
        disk_total=space.total,
        disk_free=space.free,
        disk_percent=space.percent,
        group=group_memory(pid),
    )


def memory_total(pid: int) -> int:
    """Give the bytes that a process and its children may have: the machine's, or its group's."""
    total, group = int(psutil.virtual_memory().total), group_memory(pid)
    return total if group is None else min(total, group.limit)


def resident(pids: Iterable[int]) -> int:
    """Give the resident bytes of some processes together; one that has ended has none."""
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_info().rss
    return total


def private(pids: Iterable[int]) -> int:
    """Give the bytes that some processes share with nobody, which go with them.

    A process that has ended has none, and of one that may not be asked all resident bytes count.
    """
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            try:
                total += process.memory_full_info().uss
            except psutil.AccessDenied:
                total += process.memory_info().rss
    return total


def uptime() -> float:
    """Give the seconds since the machine started, which no change of the wall clock moves."""
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def _descendants(process: psutil.Process) -> Iterator[psutil.Process]:
    """Give all that a process has started, and what these have, as far as they still live.

    psutil looks at every process of the machine for this; the kernel can be asked directly where
    it was built with CONFIG_PROC_CHILDREN, in a tenth of the time.
    """
    if not Path(f"/proc/{process.pid}/task/{process.pid}/children").exists():
        yield from process.children(recursive=True)
        return
    waiting = [process.pid]
    while waiting:
        for pid in _children(waiting.pop()):
            try:
                yield psutil.Process(pid)
            except psutil.NoSuchProcess:
                continue
            waiting.append(pid)


def _children(pid: int) -> list[int]:
    """Give the children of all threads of a process; none if it has ended."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    except (FileNotFoundError, ProcessLookupError):  # it, or a thread of it, has just ended
        pass
    return found


def _one(process: psutil.Process, *, deep: bool) -> tuple[int, int | None, float, int] | None:
    """Give (rss, pss, processor seconds, threads) of a process, None when it has just ended."""
    try:
        with process.oneshot():
            times = process.cpu_times()
            cpu = times.user + times.system + times.children_user + times.children_system
            rss, threads = process.memory_info().rss, process.num_threads()
        return rss, _pss(process) if deep else None, cpu, threads
    except psutil.NoSuchProcess:
        return None


def _pss(process: psutil.Process) -> int | None:
    try:
        return int(process.memory_full_info().pss)
    except psutil.ZombieProcess:
        return 0
    except psutil.AccessDenied:
        return None


def _descriptors(process: psutil.Process) -> tuple[int | None, int | None]:
    try:
        soft, _ = process.rlimit(psutil.RLIMIT_NOFILE)
        return process.num_fds(), None if soft == psutil.RLIM_INFINITY else soft
    except psutil.AccessDenied:
        return None, None


def _sum_known(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
