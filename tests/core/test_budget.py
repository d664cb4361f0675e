"""Budgets: where they come from, and what is over them."""

import pytest

from optifire.core.budget import (
    DEFAULT_CPU_MS,
    DEFAULT_MEM_MB,
    UNKNOWN_USAGE,
    Budget,
    Measured,
    Usage,
    budget_for,
    soft_breaches,
)


@pytest.mark.parametrize(
    ("configured", "estimate", "cpu", "mem"),
    [
        (None, None, DEFAULT_CPU_MS, DEFAULT_MEM_MB),
        (None, 30.0, 60.0, 60.0),
        (10.0, 30.0, 10.0, 10.0),
        (10, None, 10.0, 10.0),
        (None, 0.0, DEFAULT_CPU_MS, DEFAULT_MEM_MB),
    ],
)
def test_what_is_configured_wins_then_twice_the_estimate_then_the_default(
    configured: float | None, estimate: float | None, cpu: float, mem: float
) -> None:
    found = budget_for(
        cpu_ms=configured, mem_mb=configured, est_cpu_ms=estimate, est_mem_mb=estimate
    )
    assert found == Budget(cpu, mem)


def test_processor_and_memory_are_chosen_apart() -> None:
    found = budget_for(cpu_ms=5, mem_mb=None, est_cpu_ms=None, est_mem_mb=40)
    assert found == Budget(5.0, 80.0)


@pytest.mark.parametrize(
    ("cpu", "mem", "expected"),
    [
        (100.0, 10.0, ()),
        (100.1, 10.0, ("cpu",)),
        (100.0, 10.1, ("memory",)),
        (101.0, 11.0, ("cpu", "memory")),
        (None, 11.0, ("memory",)),
        (101.0, None, ("cpu",)),
        (0.0, 0.0, ()),
    ],
)
def test_only_more_than_the_budget_is_a_breach(
    cpu: float | None, mem: float | None, expected: tuple[str, ...]
) -> None:
    assert soft_breaches(Usage(cpu, mem), Budget(100.0, 10.0)) == expected


def test_what_nobody_measured_is_unknown_and_breaches_nothing() -> None:
    assert UNKNOWN_USAGE.cpu_ms is None
    assert UNKNOWN_USAGE.measured is Measured.NONE
    assert soft_breaches(UNKNOWN_USAGE, Budget(0.0, 0.0)) == ()
