"""What is enforced on one attempt: the budget, the limits in force, and where it is stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from optifire.core.budget import Budget, Usage

MIB: Final = 1 << 20
#: A memory budget below these is a promise and not a limit: threads and the linear algebra of
#: numpy need that much whatever a plugin does, and a light process its late imports.
DATA_FLOOR_MB: Final = 64.0
LIGHT_FLOOR_MB: Final = 16.0
#: A run is stopped at this many times its budget of processor time.
CPU_FACTOR: Final = 2.0
#: A run is stopped this far above the memory limit in force.
MEM_SLACK_MB: Final = 8.0
#: Address space beyond the data: libraries, mapped files, stacks of threads.
ADDRESS_SLACK_MB: Final = 512.0
#: The kernel's own stop comes this many seconds after ours, should nobody be polling.
CPU_BACKSTOP_S: Final = 1
#: Open files of one run; the usual soft limit of a login is 1,024 for a whole session.
OPEN_FILES: Final = 512
#: Bytes of one file that a run writes.
FILE_BYTES: Final = 256 * MIB
#: Bytes that one run hands over in all, and that one message between it and the service has.
HANDED_BYTES: Final = 192 * MIB
#: Processes and threads of one run: a pool with a thread for each of many cores, or a pipeline of
#: programs, has room in this; what forks without end is stopped while all of it is still small
#: beside the thousands that a machine has room for.
MOST_PROCESSES: Final = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt may use before it is stopped: milliseconds, and megabytes of 2**20 bytes.

    Attributes
    ----------
    cpu_ms, mem_mb
        The budget: above it a run is marked.
    cpu_hard_ms
        Processor time at which it is stopped.
    mem_limit_mb
        The memory limit in force: the budget, or the floor of its kind of process if that is more.
    """

    cpu_ms: float
    cpu_hard_ms: float
    mem_mb: float
    mem_limit_mb: float

    @property
    def mem_hard_mb(self) -> float:
        """Give the memory at which a run is stopped."""
        return self.mem_limit_mb + MEM_SLACK_MB

    @property
    def mem_hard_bytes(self) -> int:
        """Give the same in bytes."""
        return int(self.mem_hard_mb * MIB)

    @property
    def address_bytes(self) -> int:
        """Give how much the address space may grow."""
        return self.mem_hard_bytes + int(ADDRESS_SLACK_MB * MIB)

    @property
    def cpu_backstop_s(self) -> int:
        """Give the whole seconds of processor time at which the kernel itself stops a run."""
        return math.ceil(self.cpu_hard_ms / 1e3) + CPU_BACKSTOP_S

    def hard_breach(self, usage: Usage) -> str:
        """Name what went over its hard limit, ``cpu`` or ``memory``; empty if nothing did.

        How many processes there are does not stand in the usage; see `MOST_PROCESSES`.
        """
        if usage.cpu_ms is not None and usage.cpu_ms > self.cpu_hard_ms:
            return "cpu"
        if usage.mem_mb is not None and usage.mem_mb > self.mem_hard_mb:
            return "memory"
        return ""

    def told(self, what: str, usage: Usage, tasks: int = 0) -> str:
        """Say in a sentence how far a run went, where it is stopped, and why there."""
        if what == "processes":
            return f"had {tasks:,} processes and threads; the limit is {MOST_PROCESSES}"
        if what == "cpu":
            return (
                f"used {_figure(usage.cpu_ms, 'ms')} of processor time; the limit is "
                f"{self.cpu_hard_ms:,.0f} ms, {CPU_FACTOR:g} times its budget of "
                f"{self.cpu_ms:,.0f} ms"
            )
        floor = "" if self.mem_limit_mb <= self.mem_mb else ", the least for such a process; "
        return (
            f"wanted memory beyond {self.mem_hard_mb:,.0f} MB, its peak was "
            f"{_figure(usage.mem_mb, 'MB')}; the limit is {self.mem_limit_mb:,.0f} MB"
            f"{floor or ', '}its budget {self.mem_mb:,.0f} MB"
        )


def limits_for(budget: Budget, *, light: bool) -> Limits:
    """Give what a budget comes to in a light process, or in one that holds pandas and numpy."""
    floor = LIGHT_FLOOR_MB if light else DATA_FLOOR_MB
    return Limits(
        cpu_ms=budget.cpu_ms,
        cpu_hard_ms=budget.cpu_ms * CPU_FACTOR,
        mem_mb=budget.mem_mb,
        mem_limit_mb=max(floor, budget.mem_mb),
    )


def _figure(value: float | None, unit: str) -> str:
    return "an unknown amount" if value is None else f"{value:,.1f} {unit}"
