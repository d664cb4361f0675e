"""What the runs of a plugin used so far, and the budget that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from optifire.core.budget import Budget

#: A budget is suggested at this many times what 99 of 100 runs stay within.
HEADROOM: Final = 1.3
#: The 99th percentile of fewer runs is little more than the largest of a handful.
FEWEST_RUNS: Final = 20
#: The least that is suggested, in milliseconds and megabytes. A run is metered to about 2 ms and
#: 2 MB; a budget of that size would be broken by the meter alone.
LEAST_CPU_MS: Final = 10
LEAST_MEM_MB: Final = 8
#: Milliseconds are rounded up to a multiple of the step: (below, step).
_STEPS: Final = ((20.0, 1), (100.0, 5))
_WIDEST_STEP: Final = 10


@dataclass(frozen=True, slots=True)
class Spread:
    """How the figures of so many runs lie.

    ``p50`` and ``p99`` are figures of runs: the smallest that half, or 99 of 100, do not exceed
    (nearest rank). With fewer than 100 runs ``p99`` is therefore the largest.
    """

    runs: int
    p50: float
    p99: float
    most: float


def spread_of(figures: Iterable[float]) -> Spread | None:
    """Give how some figures lie, None if there are none."""
    ordered = sorted(figures)
    if not ordered:
        return None
    count = len(ordered)
    return Spread(count, ordered[(count - 1) // 2], ordered[(count * 99 - 1) // 100], ordered[-1])


@dataclass(frozen=True, slots=True)
class History:
    """What the runs of one plugin used: only those that began and have ended.

    Attributes
    ----------
    runs
        How many.
    cpu, mem
        Milliseconds of processor time, megabytes (2**20 bytes) of peak memory; None where no run
        has a figure.
    measured
        Runs by how their figures were come by.
    soft, hard
        Runs over their budget, and runs stopped for it: by ``cpu`` and ``memory``.
    budget
        That of the latest run.
    """

    runs: int = 0
    cpu: Spread | None = None
    mem: Spread | None = None
    measured: Mapping[str, int] = field(default_factory=dict)
    soft: Mapping[str, int] = field(default_factory=dict)
    hard: Mapping[str, int] = field(default_factory=dict)
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """A budget in whole milliseconds and megabytes, or why there is none.

    A None is a figure about which too few runs say anything. ``cpu_runs`` and ``mem_runs`` are the
    runs that it rests on.
    """

    cpu_ms: int | None
    mem_mb: int | None
    cpu_runs: int
    mem_runs: int

    def __bool__(self) -> bool:
        """Tell whether anything is suggested."""
        return self.cpu_ms is not None or self.mem_mb is not None


def advise(cpu: Spread | None, mem: Spread | None) -> Advice:
    """Suggest a budget: 1.3 times the 99th percentile, rounded up, from 20 runs on."""
    return Advice(
        cpu_ms=_rounded_cpu(cpu.p99 * HEADROOM) if cpu and cpu.runs >= FEWEST_RUNS else None,
        mem_mb=_rounded_mem(mem.p99 * HEADROOM) if mem and mem.runs >= FEWEST_RUNS else None,
        cpu_runs=cpu.runs if cpu else 0,
        mem_runs=mem.runs if mem else 0,
    )


def _rounded_cpu(wanted: float) -> int:
    """Round up to 1 ms below 20 ms, to 5 below 100, else to 10."""
    step = next((step for below, step in _STEPS if wanted <= below), _WIDEST_STEP)
    return max(LEAST_CPU_MS, math.ceil(wanted / step) * step)


def _rounded_mem(wanted: float) -> int:
    return max(LEAST_MEM_MB, math.ceil(wanted))
