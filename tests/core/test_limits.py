"""What a budget comes to when it is enforced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optifire.core.budget import Budget, Usage
from optifire.core.limits import MIB, limits_for

budgets = st.builds(Budget, st.floats(1, 1e6), st.floats(1, 4096))


def test_a_small_memory_budget_is_a_promise_and_the_floor_is_the_limit() -> None:
    budget = Budget(cpu_ms=100, mem_mb=4)
    assert limits_for(budget, light=False).mem_limit_mb == 64
    assert limits_for(budget, light=True).mem_limit_mb == 16
    assert limits_for(budget, light=True).mem_mb == 4


def test_a_memory_budget_above_the_floor_is_the_limit() -> None:
    assert limits_for(Budget(mem_mb=200), light=False).mem_limit_mb == 200


def test_a_run_is_stopped_at_twice_its_processor_time_and_8_mb_above_its_memory() -> None:
    limits = limits_for(Budget(cpu_ms=100, mem_mb=64), light=False)
    assert not limits.hard_breach(Usage(200, 72))
    assert limits.hard_breach(Usage(200.1, 72)) == "cpu"
    assert limits.hard_breach(Usage(200, 72.1)) == "memory"


def test_what_nobody_measured_is_no_breach() -> None:
    assert not limits_for(Budget(), light=True).hard_breach(Usage())


def test_a_breach_is_told_with_figure_limit_and_budget() -> None:
    limits = limits_for(Budget(cpu_ms=100, mem_mb=30), light=False)
    assert limits.told("cpu", Usage(214.6, 1)) == (
        "used 214.6 ms of processor time; the limit is 200 ms, 2 times its budget of 100 ms"
    )
    assert limits.told("memory", Usage(1, 71.3)) == (
        "wanted memory beyond 72 MB, its peak was 71.3 MB; the limit is 64 MB, the least for such "
        "a process; its budget 30 MB"
    )
    large = limits_for(Budget(mem_mb=100), light=False)
    assert large.told("memory", Usage()) == (
        "wanted memory beyond 108 MB, its peak was an unknown amount; the limit is 100 MB, its "
        "budget 100 MB"
    )


@given(budget=budgets, light=st.booleans())
def test_the_kernel_stops_a_run_after_the_service(budget: Budget, *, light: bool) -> None:
    limits = limits_for(budget, light=light)
    assert limits.cpu_backstop_s * 1e3 >= limits.cpu_hard_ms + 1000
    assert limits.address_bytes > limits.mem_hard_bytes >= (budget.mem_mb + 7.9) * MIB
