"""An occurrence can be ended wherever it is on its way, and leaves nothing behind."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from optifire.core.job import Overlap
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import RunStatus
from optifire.runtime.slots import Slots

MINUTE = timedelta(minutes=1)


def said(world: Any) -> dict[str, str]:
    return {
        run_id: f"{row.status.value}({row.reason})" if row.reason else row.status.value
        for run_id, row in world.store.rows.items()
    }


async def test_cancelling_ends_a_run_in_progress_with_the_reason(world: Any, kit: Any) -> None:
    world.job("a", kit.Gate(), schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        await timer.advance(kit.noon)
        assert stage.engine.cancel("a@20181123T120000Z", "not today")
        await timer.settle()
        assert not stage.engine.cancel("a@20181123T120000Z", "again")
    assert said(world) == {"a@20181123T120000Z": "cancelled(cancelled: not today)"}


async def test_cancelling_a_run_that_pauses_before_a_retry_ends_its_pause(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.fails(retryable=True), schedule="interval_1h", retries=3)
    stage = kit.Stage(world)
    async with stage.running() as timer:
        await timer.advance(kit.noon)
        assert stage.engine.cancel("a@20181123T120000Z", "enough")
        await timer.settle()
        assert timer.pausing == 0
    assert said(world) == {"a@20181123T120000Z": "cancelled(cancelled: enough)"}


@pytest.mark.parametrize("which", ["waits for a slot", "waits for its upstream", "is buffered"])
async def test_an_occurrence_that_waits_can_be_cancelled_and_leaves_nothing_behind(
    world: Any, kit: Any, which: str
) -> None:
    world.slots = Slots(1)
    gate = kit.Gate()
    world.job("a", gate, schedule="interval_1h", overlap=Overlap.BUFFER_ALL)
    needs = ({"after": "a"},) if which == "waits for its upstream" else ()
    world.job("b", schedule="interval_1h" if which != "is buffered" else "@manual", needs=needs)
    world.job("c", schedule="interval_1h")
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(kit.noon)
        waiting = "b@20181123T120000Z"
        if which == "is buffered":
            waiting = stage.engine.fire("a")
            await timer.settle()
        assert stage.engine.cancel(waiting, "no")
        await timer.settle()
        gate.open.set()
        await timer.settle()
    assert said(world).pop(waiting) == "cancelled(cancelled: no)"
    assert said(world)["c@20181123T120000Z"] == "succeeded"


async def test_a_run_cancelled_between_its_write_ahead_and_its_start_does_not_run(
    world: Any, kit: Any
) -> None:
    world.job("a", schedule="interval_1m")
    stage = kit.Stage(world)
    commit = world.store.commit

    async def commit_and_cancel(batch: Any, *, hold: bool = False) -> Any:
        if any(row.status is RunStatus.RUNNING for row in batch.runs):
            assert stage.engine.cancel("a@20181123T120000Z", "too late")
        return await commit(batch, hold=hold)

    world.store.commit = commit_and_cancel
    async with stage.running() as timer:
        await timer.advance(kit.noon)
    assert world.worker.requests == []
    assert said(world) == {"a@20181123T120000Z": "cancelled(cancelled: too late)"}
    assert stage.crashes == []


async def test_only_one_run_goes_on_however_many_newer_occurrences_cancel_it(
    world: Any, kit: Any
) -> None:
    at_once, most = 0, 0

    async def stubborn(request: RunRequest) -> Outcome:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            await asyncio.Event().wait()
        finally:
            await kit.let_others_run(200)
            at_once -= 1
        return Outcome(RunStatus.SUCCEEDED)

    world.clock.timeless = False
    world.job("a", stubborn, overlap=Overlap.CANCEL_OTHER)
    cycles = []
    for number in range(4):
        due = kit.noon + number * MINUTE
        cycles.append(asyncio.create_task(world.cycle("a", due=due)))
        await kit.let_others_run(20)
    await kit.let_others_run(400)
    for run in world.live.all():
        run.end("the test is over", None)
    await asyncio.gather(*cycles)
    assert most == 1
    assert [world.status("a", kit.noon + n * MINUTE) for n in range(4)] == [
        "cancelled(cancelled: a newer occurrence of a is due)",
        "skipped(overlap: a newer occurrence took its place)",
        "skipped(overlap: a newer occurrence took its place)",
        "cancelled(cancelled: the test is over)",
    ]
