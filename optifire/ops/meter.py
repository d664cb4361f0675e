"""What the service and its machine use, sampled at most once a second for status and screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from optifire.ops.readings import (
    MachineReading,
    ServiceReading,
    TreeReading,
    read_machine,
    read_service,
    read_tree,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MB: Final = 1_000_000
#: Processor time is counted in steps of 10 ms: a shorter stretch gives no rate.
SHORTEST_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """What is used; ``_mb`` is megabytes of 1,000,000 bytes, None what is not known (yet).

    Attributes
    ----------
    cpu_percent, service_cpu_percent
        All processes of the service, and its own process alone, in percent of one core.
    machine_cpu_percent
        In percent of all cores.
    rss_mb, pss_mb
        All processes: with shared pages counted by each of them, and divided among them.
    """

    cpu_percent: float | None
    service_cpu_percent: float | None
    machine_cpu_percent: float | None
    rss_mb: float
    pss_mb: float | None
    service_rss_mb: float
    processes: int
    threads: int
    fds: int | None
    load_1m: float
    memory_percent: float
    disk_free_mb: float

    def plain(self) -> dict[str, float | int | None]:
        """Give the sample as plain values by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Moment:
    """What there was to read at one moment of the monotonic clock, in seconds."""

    at: float
    service: ServiceReading
    tree: TreeReading
    machine: MachineReading


class Meter:
    """Samples the service with that process id; rates are those since the sample before.

    Parameters
    ----------
    disk
        Any path on the file system of the ledger.
    monotonic
        Gives seconds that only grow.
    """

    def __init__(self, pid: int, disk: Path, monotonic: Callable[[], float]) -> None:
        self._pid = pid
        self._disk = disk
        self._monotonic = monotonic
        self._before: Moment | None = None
        self._latest: tuple[float, Sample] | None = None

    def recent(self, age: float) -> Sample:
        """Give the latest sample if it is at most so many seconds old, else a new one."""
        if self._latest is None or self._monotonic() - self._latest[0] > age:
            return self.sample()
        return self._latest[1]

    def sample(self, *, deep: bool = False) -> Sample:
        """Look now; ``deep`` also reads ``pss_mb``, which takes longer the more memory there is."""
        now = Moment(
            self._monotonic(),
            read_service(self._pid),
            read_tree(self._pid, deep=deep),
            read_machine(self._disk, self._pid),
        )
        sample = sample_of(now, self._before)
        if self._before is None or now.at - self._before.at >= SHORTEST_S:
            self._before = now
        self._latest = (now.at, sample)
        return sample


def sample_of(now: Moment, before: Moment | None) -> Sample:
    """Say what was used between two moments; pure."""
    machine = now.machine
    taken = machine.memory_total - machine.memory_available
    own, tree, busy = _rates(now, before)
    return Sample(
        cpu_percent=tree,
        service_cpu_percent=own,
        machine_cpu_percent=busy,
        rss_mb=now.tree.rss / MB,
        pss_mb=None if now.tree.pss is None else now.tree.pss / MB,
        service_rss_mb=now.service.rss / MB,
        processes=now.tree.processes,
        threads=now.tree.threads,
        fds=now.service.fds,
        load_1m=machine.load_1m,
        memory_percent=100 * taken / machine.memory_total,
        disk_free_mb=machine.disk_free / MB,
    )


def _rates(now: Moment, before: Moment | None) -> tuple[float | None, float | None, float | None]:
    """Give the percentages of service, tree and machine; None without a stretch to divide by."""
    if before is None or now.at - before.at < SHORTEST_S:
        return None, None, None
    share = 100 / (now.at - before.at)
    busy = (now.machine.busy_s - before.machine.busy_s) / now.machine.cores
    # What a worker used that was killed together with its zygote is nowhere counted any more.
    tree = max(0.0, now.tree.cpu_s - before.tree.cpu_s)
    return (now.service.cpu_s - before.service.cpu_s) * share, tree * share, busy * share
