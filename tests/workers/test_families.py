"""Runs whose processes take more than the run may: what they take together counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from optifire.core.limits import MIB
from tests.workers.test_crowds import left
from tests.workers.test_enforcement import done, said, spend

if TYPE_CHECKING:
    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


@pytest.mark.parametrize(
    ("do", "how"),
    [
        ("burn_in_child", {"ms": 60_000}),
        ("burn_in_child", {"ms": 60_000, "leave": True}),
        ("burn_in_turns", {"ms": 3}),
        ("burn_in_program", {}),
    ],
    ids=["a child", "one that left", "many, one after the other", "a program"],
)
async def test_processor_time_counts_wherever_in_a_run_it_is_used(
    isolated: IsolatedWorker, ask: Ask, do: str, how: dict[str, Any]
) -> None:
    outcome = await isolated.run(spend(ask, do, cpu_ms=150, **how))
    assert said(outcome).startswith("cpu: used ")
    assert "the limit is 300 ms, 2 times its budget of 150 ms" in said(outcome)
    assert outcome.usage.cpu_ms is not None
    assert 300 < outcome.usage.cpu_ms < 2000  # far from its minute
    assert left(isolated.zygote_pids()) == []


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize(
    ("do", "how"),
    [
        ("hold_in_children", {"mb": 50, "processes": 4}),
        ("hold_in_children", {"mb": 50, "processes": 4, "leave": True}),
        ("hold_shared_in_children", {"mb": 200, "processes": 1}),
        ("hold_shared_in_children", {"mb": 250, "processes": 3}),
        ("hold_then_fork", {"mb": 50, "rounds": 4}),
    ],
    ids=["each its own", "who left", "shared, by one", "shared, by all", "handed on"],
)
async def test_memory_counts_wherever_in_a_run_it_is_held(
    isolated: IsolatedWorker, ask: Ask, do: str, how: dict[str, Any], *, data: bool
) -> None:
    outcome = await isolated.run(spend(ask, do, mem_mb=64, data=data, timeout=20.0, **how))
    assert said(outcome).startswith("memory: wanted memory beyond 72 MB, its peak was ")
    (peak,) = re.findall(r"its peak was ([0-9.]+) MB", said(outcome))
    assert 72 < float(peak) < 300
    assert outcome.usage.mem_mb == pytest.approx(float(peak), abs=0.1)
    assert left(isolated.zygote_pids()) == []


@pytest.mark.parametrize("data", [False, True])
async def test_pages_that_processes_share_count_once(
    isolated: IsolatedWorker, ask: Ask, *, data: bool
) -> None:
    how = {"mb": 40, "processes": 6, "seconds": 1.0}
    outcome = await isolated.run(spend(ask, "share_with_children", mem_mb=64, data=data, **how))
    assert done(outcome) == 40 * MIB


async def test_processor_time_of_a_process_that_was_waited_for_counts_once(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(spend(ask, "burn_beside_child", ms=300, cpu_ms=400))
    assert done(outcome) == 600
    assert outcome.usage.cpu_ms == pytest.approx(600, rel=0.25)


async def test_what_a_process_used_that_outlives_the_run_is_in_its_record(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    how = {"ms": 60_000, "seconds": 0.6, "cpu_ms": 20_000}
    outcome = await isolated.run(spend(ask, "burn_beside", **how))
    assert done(outcome) == 60_000
    assert outcome.usage.cpu_ms is not None
    assert 100 < outcome.usage.cpu_ms < 2000
