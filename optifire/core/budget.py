"""What a run may use, what it used, and how the two compare."""

from dataclasses import dataclass
from enum import StrEnum

#: Budget of a plugin that neither features.yaml nor its own estimate says anything about.
DEFAULT_CPU_MS = 1000.0
DEFAULT_MEM_MB = 64.0
#: A budget taken from a plugin's own estimate is this many times the estimate.
ESTIMATE_FACTOR = 2.0


class Measured(StrEnum):
    """How the figures of a run were come by."""

    #: Read from the process or the thread that did nothing else.
    EXACT = "exact"
    #: The child's resource usage, as the kernel sums it up.
    METERED = "metered"
    #: Nobody measured.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may use: processor time in milliseconds, peak memory in megabytes (2**20)."""

    cpu_ms: float = DEFAULT_CPU_MS
    mem_mb: float = DEFAULT_MEM_MB


@dataclass(frozen=True, slots=True)
class Usage:
    """What one attempt used; None is "nobody knows", which is not zero."""

    cpu_ms: float | None = None
    mem_mb: float | None = None
    wall_ms: float | None = None
    measured: Measured = Measured.NONE


UNKNOWN_USAGE = Usage()


def budget_for(
    *,
    cpu_ms: float | None,
    mem_mb: float | None,
    est_cpu_ms: float | None,
    est_mem_mb: float | None,
) -> Budget:
    """Give the budget in force: configured, else twice the plugin's estimate, else the default."""

    def pick(configured: float | None, estimate: float | None, default: float) -> float:
        if configured is not None:
            return float(configured)
        return float(estimate) * ESTIMATE_FACTOR if estimate else default

    return Budget(
        pick(cpu_ms, est_cpu_ms, DEFAULT_CPU_MS), pick(mem_mb, est_mem_mb, DEFAULT_MEM_MB)
    )


def soft_breaches(usage: Usage, budget: Budget) -> tuple[str, ...]:
    """Name what went over budget: ``cpu``, ``memory``, both or nothing."""
    over: list[str] = []
    if usage.cpu_ms is not None and usage.cpu_ms > budget.cpu_ms:
        over.append("cpu")
    if usage.mem_mb is not None and usage.mem_mb > budget.mem_mb:
        over.append("memory")
    return tuple(over)
