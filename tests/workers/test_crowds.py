"""Runs that start too many processes: counted when there is cause, stopped with all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from optifire.core.limits import MOST_PROCESSES
from optifire.workers import marks
from tests.workers.test_enforcement import done, said, spend

if TYPE_CHECKING:
    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


def left(zygotes: list[int]) -> list[int]:
    """Give the processes of all runs of some zygotes, those that wait for a run included."""
    return [
        pid
        for mark, pids in marks.marked().items()
        for pid in pids
        if mark in {marks.mark_for(zygote, marks.run_of(mark)) for zygote in zygotes}
    ]


@pytest.mark.parametrize(
    ("do", "how"),
    [
        ("fork_without_end", {}),
        ("crowd", {"processes": MOST_PROCESSES + 6}),
        ("start_threads", {"threads": MOST_PROCESSES + 6}),
    ],
)
async def test_a_run_with_too_many_processes_is_stopped_with_all_of_them(
    isolated: IsolatedWorker, ask: Ask, do: str, how: dict[str, int]
) -> None:
    outcome = await isolated.run(spend(ask, do, cpu_ms=60_000, mem_mb=200, **how))
    assert said(outcome).startswith("processes: had ")
    assert said(outcome).endswith(f"processes and threads; the limit is {MOST_PROCESSES}")
    assert left(isolated.zygote_pids()) == []


async def test_others_run_while_one_forks_and_exits_without_end(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    bomb, *others = await asyncio.gather(
        isolated.run(spend(ask, "fork_without_end", leave=True, cpu_ms=60_000)),
        *(isolated.run(spend(ask, "burn", ms=10)) for _ in range(10)),
    )
    assert all(done(other) >= 10 for other in others)
    assert "ended with code 0" in str(bomb.reason)  # its own process has gone first
    assert done(await isolated.run(spend(ask, "nothing"))) == 0
    assert left(isolated.zygote_pids()) == []


async def test_processes_one_after_the_other_are_no_crowd(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    many = 2 * MOST_PROCESSES
    outcome = await isolated.run(spend(ask, "go_through", processes=many, cpu_ms=20_000))
    assert done(outcome) == many
