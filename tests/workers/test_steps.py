"""Inline runs are charged exactly, tasks included, and nothing of them goes on after their end."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from optifire.core.budget import Measured
from optifire.core.run import RunStatus
from optifire.workers.inline import InlineWorker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optifire.core.ports import Outcome
    from tests.workers.conftest import Ask


def ended() -> list[str]:
    """Give what the plugin's tasks said at their end."""
    found: list[str] = sys.modules["optifire_plugin_stepping.impl"].ended
    return found


def cpu_ms(outcome: Outcome) -> float:
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure)
    assert outcome.usage.measured is Measured.EXACT
    assert outcome.usage.cpu_ms is not None
    return outcome.usage.cpu_ms


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110 - nobody tells how many tasks there are
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop


@pytest.fixture
def worker(tmp_path: Path) -> InlineWorker:
    return InlineWorker(tmp_path)


async def test_interleaved_runs_are_each_charged_their_own_time(
    worker: InlineWorker, ask: Ask
) -> None:
    await worker.run(ask("nothing", "stepping"))
    runs = [worker.run(ask("burn_in_turns", "stepping")) for _ in range(3)]
    for outcome in await asyncio.gather(*runs):
        assert cpu_ms(outcome) == pytest.approx(100, rel=0.1)


async def test_tasks_are_charged_to_the_run_that_made_them(worker: InlineWorker, ask: Ask) -> None:
    await worker.run(ask("nothing", "stepping"))
    tasks, turns = await asyncio.gather(
        worker.run(ask("burn_in_tasks", "stepping")),
        worker.run(ask("burn_in_turns", "stepping")),
    )
    assert cpu_ms(tasks) == pytest.approx(90, rel=0.1)
    assert cpu_ms(turns) == pytest.approx(100, rel=0.1)
    assert tasks.outputs["name"] == b"\xa4made"


@pytest.mark.parametrize(
    ("do", "left"),
    [("leave_behind", 4), ("leave_behind_and_fail", 3), ("leave_behind_and_wait", 3)],
)
async def test_tasks_left_behind_end_with_their_run(
    worker: InlineWorker, ask: Ask, do: str, left: int
) -> None:
    before = asyncio.all_tasks()
    outcome = await worker.run(ask(do, "stepping", timeout=0.02))
    assert sorted(ended()) == ["multiply", "stubborn", "tidy"]
    assert f"[{left} tasks were left behind and are cancelled]".encode() in outcome.log
    await asyncio.sleep(0)  # noqa: TID251 - one turn, in which a task made at the end would begin
    await asyncio.sleep(0)  # noqa: TID251 - and one in which it would be gone
    assert asyncio.all_tasks() == before
    assert "begun" not in ended()


async def test_tasks_end_with_a_run_that_is_cancelled(worker: InlineWorker, ask: Ask) -> None:
    before = asyncio.all_tasks()
    run = asyncio.create_task(worker.run(ask("leave_behind_and_wait", "stepping")))
    await until(lambda: len(asyncio.all_tasks() - before) == 4)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert sorted(ended()) == ["multiply", "stubborn", "tidy"]


async def test_tasks_of_others_are_made_as_ever(worker: InlineWorker, ask: Ask) -> None:
    made: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def other() -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        run = asyncio.create_task(worker.run(ask("leave_behind_and_wait", "stepping")))
        await until(lambda: len(made) == 4)
        coroutine = other()
        task = asyncio.create_task(coroutine)
        assert task.get_coro() is coroutine
        run.cancel()
        await asyncio.wait([run])
        assert not task.done()
        task.cancel()
        assert loop.get_task_factory() is factory
    finally:
        loop.set_task_factory(None)


async def test_what_is_no_coroutine_is_refused_as_ever(worker: InlineWorker, ask: Ask) -> None:
    outcome = await worker.run(ask("not_a_coroutine", "stepping"))
    assert outcome.failure is not None
    assert outcome.failure.type == "TypeError"
