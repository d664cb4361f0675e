"""Runs that start too many processes: counted when there is cause, stopped with all of them."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from optifire.core.limits import MOST_PROCESSES
from optifire.workers import crowds, marks
from optifire.workers.crowds import Crowds, tasks_in
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


def count(counts: list[str]) -> dict[int, list[int]]:
    """Take note that all processes were counted, of which none is of a run."""
    counts.append("counted")
    return {}


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


async def test_nobody_is_counted_while_the_machine_has_no_more_than_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    totals = iter([300, 301, 300, 340, 364, 365, 500, 500])
    counts: list[str] = []
    monkeypatch.setattr(crowds, "marked", partial(count, counts))
    looking = Crowds(lambda: next(totals))
    counted = []
    for at in (10.0, 10.2, 10.4, 10.6, 10.8, 11.0, 11.05, 11.2):
        looking.look((), at)
        counted.append(len(counts))
    # The first look counts; then only growth past all that a run may have, at most each 100 ms.
    assert counted == [1, 1, 1, 1, 1, 2, 2, 3]


async def test_a_kernel_that_tells_no_total_has_its_processes_counted_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[str] = []
    monkeypatch.setattr(crowds, "marked", partial(count, counts))
    looking = Crowds(lambda: tasks_in(b"0.00 0.00 0.00 0/0 0\n"))
    for at, counted in ((10.0, 1), (10.05, 1), (10.2, 2)):
        looking.look((), at)
        assert len(counts) == counted


async def test_the_machines_tasks_are_those_after_the_slash() -> None:
    assert tasks_in(b"3.76 4.07 4.58 3/176 28259\n") == 176
    assert crowds.tasks() >= len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names
