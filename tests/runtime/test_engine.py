"""The running schedule: it runs, stops, drains, crashes in part, and takes manual runs."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from optifire.core.errors import NotFoundError, StateError
from optifire.core.job import Overlap
from optifire.core.run import RunStatus
from optifire.runtime.clock import VirtualClock
from optifire.runtime.engine import Pace
from optifire.runtime.slots import Slots

MINUTE = timedelta(minutes=1)


def said(world: Any) -> dict[str, str]:
    return {
        run_id: f"{row.status.value}({row.reason})" if row.reason else row.status.value
        for run_id, row in world.store.rows.items()
    }


# --- running, stopping, draining --------------------------------------------------------------


async def test_each_job_runs_at_its_instants_until_the_engine_is_stopped(
    world: Any, kit: Any
) -> None:
    world.job("a", schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        await timer.advance(kit.noon + MINUTE)
    assert said(world) == {"a@20181123T120000Z": "succeeded", "a@20181123T120100Z": "succeeded"}
    assert stage.cancelled == 0
    assert stage.crashes == []


async def test_an_engine_with_a_last_instant_returns_by_itself(world: Any, kit: Any) -> None:
    world.job("a", schedule="interval_1m")
    stage = kit.Stage(world, clock=VirtualClock(kit.start), pace=Pace(in_step=True, until=kit.noon))
    assert await stage.engine.run() == 0
    assert stage.engine.finished
    assert said(world) == {"a@20181123T120000Z": "succeeded"}


async def test_ticks_do_not_wait_for_cycles(world: Any, kit: Any) -> None:
    gate = kit.Gate()
    world.job("slow", gate, schedule="interval_1h")
    world.job("quick", schedule="interval_1m")
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon + MINUTE)
        assert said(world)["quick@20181123T120100Z"] == "succeeded"
        assert said(world)["slow@20181123T120000Z"] == "running"
        gate.open.set()


async def test_stopping_gives_runs_in_flight_their_grace(world: Any, kit: Any) -> None:
    gate = kit.Gate()
    world.job("a", gate, schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running(grace=10) as timer:
        await timer.advance(kit.noon)
        asyncio.get_running_loop().call_soon(gate.open.set)
    assert stage.cancelled == 0
    assert said(world) == {"a@20181123T120000Z": "succeeded"}


async def test_a_run_that_does_not_end_while_draining_is_cut_off_and_stays_running_in_the_ledger(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.Gate(), schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running(grace=0) as timer:
        await timer.advance(kit.noon)
    assert stage.cancelled == 1
    assert said(world) == {"a@20181123T120000Z": "running"}
    assert world.store.batches[-1].attempts[0].status is RunStatus.RUNNING


async def test_a_demo_stops_in_the_middle_of_a_cycle(world: Any, kit: Any) -> None:
    world.job("a", kit.Gate(), schedule="interval_1m")
    stage = kit.Stage(world, pace=Pace(in_step=True, until=kit.noon, stay=True))
    async with stage.running(grace=0) as timer:
        await timer.advance(kit.noon)
    assert stage.cancelled == 1


async def test_a_pause_before_a_retry_does_not_hold_up_the_end(world: Any, kit: Any) -> None:
    world.job("a", kit.fails(retryable=True), schedule="interval_1h", retries=3)
    stage = kit.Stage(world)
    async with stage.running(grace=0) as timer:
        await timer.advance(kit.noon)
        assert timer.pausing == 1
    assert said(world) == {"a@20181123T120000Z": "due"}


async def test_stopping_does_not_wait_for_a_ledger_that_refuses(world: Any, kit: Any) -> None:
    world.job("b", schedule="interval_1m")
    stage = kit.Stage(world, since={"b": kit.noon - timedelta(hours=1)})
    world.store.full = True
    async with stage.running(grace=0) as timer:
        await timer.advance(kit.noon)
        assert stage.recorder.trouble is not None
    assert world.store.rows == {}


async def test_rooms_beside_the_schedule_end_with_it(world: Any, kit: Any) -> None:
    ended = []

    async def room() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("room")

    stage = kit.Stage(world)
    task = asyncio.create_task(stage.engine.run(rooms={"room": room}))
    await stage.timer.settle()
    stage.engine.stop()
    await task
    assert ended == ["room"]


async def test_cancelling_the_engine_ends_its_cycles(world: Any, kit: Any) -> None:
    world.job("a", kit.Gate(), schedule="interval_1m")
    stage = kit.Stage(world)
    task = asyncio.create_task(stage.engine.run())
    await stage.timer.advance(kit.noon)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cycle_needs_a_running_engine(world: Any, kit: Any) -> None:
    async def nothing() -> None:
        return

    with pytest.raises(StateError):
        kit.Stage(world).engine.spawn("cycle", nothing)


# --- crashes ----------------------------------------------------------------------------------


async def test_a_crashing_cycle_is_reported_and_touches_no_other(world: Any, kit: Any) -> None:
    class BrokenViewError(Exception):
        pass

    async def broken() -> Any:
        raise BrokenViewError

    world.job("a", schedule="interval_1m")
    stage = kit.Stage(world)
    snapshot, world.store.snapshot = world.store.snapshot, broken
    async with stage.running() as timer:
        await timer.advance(kit.noon)
        world.store.snapshot = snapshot
        await timer.advance(kit.noon + MINUTE)
    assert [(name, type(error)) for name, error in stage.crashes] == [
        ("cycle 2018-11-23T12:00:00Z turn 0", BrokenViewError)
    ]
    assert said(world) == {"a@20181123T120100Z": "succeeded"}


async def test_a_cycle_that_crashes_gives_back_what_it_held(world: Any, kit: Any) -> None:
    world.slots = Slots(1)
    gate = kit.Gate()
    world.job("a", gate, schedule="interval_1m", overlap=Overlap.SKIP)
    world.job("b", schedule="interval_1m")
    stage = kit.Stage(world)
    commit, broken = world.store.commit, RuntimeError("a bug")

    async def crash(batch: Any, *, hold: bool = False) -> Any:
        raise broken

    async with stage.running() as timer:
        await timer.advance(kit.noon)
        world.store.commit = crash
        gate.open.set()
        await timer.settle()
        world.store.commit = commit
        assert len(stage.crashes) == 1
        await timer.advance(kit.noon + MINUTE)
    assert said(world)["a@20181123T120100Z"] == "succeeded"
    assert said(world)["b@20181123T120100Z"] == "succeeded"


async def test_an_occurrence_of_a_crashed_cycle_leaves_the_queue_of_its_lane(
    world: Any, kit: Any
) -> None:
    gate = kit.Gate()
    world.job("a", gate, overlap=Overlap.BUFFER_ALL)
    world.clock.timeless = False
    first = asyncio.create_task(world.cycle("a"))
    await kit.let_others_run(20)
    second = asyncio.create_task(world.cycle("a", due=kit.noon + MINUTE))
    third = asyncio.create_task(world.cycle("a", due=kit.noon + 2 * MINUTE))
    await kit.let_others_run(20)
    second.cancel()
    await asyncio.wait([second])
    gate.open.set()
    await asyncio.gather(first, third)
    assert world.status("a", kit.noon + 2 * MINUTE) == "succeeded"


# --- manual runs ------------------------------------------------------------------------------


async def test_a_manual_run_has_an_id_of_its_own_kind_and_runs_at_once(
    world: Any, kit: Any
) -> None:
    world.job("a")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        run_id = stage.engine.fire("a")
        await timer.settle()
    assert run_id == "a@20181123T115930Z~manual"
    assert said(world) == {run_id: "succeeded"}
    assert world.store.rows[run_id].trigger == "manual"


async def test_only_a_job_that_is_on_can_be_run_by_hand(world: Any, kit: Any) -> None:
    world.job("a")
    world.off.add("a")
    stage = kit.Stage(world)
    with pytest.raises(NotFoundError, match="optifire plugins enable a"):
        stage.engine.fire("a")


@pytest.mark.parametrize(("force", "expected"), [("", "skipped(overlap)"), ("why", "succeeded")])
async def test_a_manual_run_obeys_overlap_unless_forced(
    world: Any, kit: Any, force: str, expected: str
) -> None:
    gate = kit.Gate()
    world.job("a", gate, schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(kit.noon)
        run_id = stage.engine.fire("a", force=force)
        await timer.settle()
        gate.open.set()
        await timer.settle()
    assert said(world) == {"a@20181123T120000Z": "succeeded", run_id: expected}


async def test_one_key_is_one_run_however_often_it_is_asked_for(world: Any, kit: Any) -> None:
    world.job("a")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        assert stage.engine.fire("a") == stage.engine.fire("a")
        await timer.settle()
    assert world.worker.order == [("start", "a"), ("end", "a")]
    assert stage.crashes == []


async def test_after_its_last_instant_a_demo_stays_for_manual_runs(world: Any, kit: Any) -> None:
    world.job("a", schedule="interval_1m")
    stage = kit.Stage(world, pace=Pace(in_step=True, until=kit.noon, stay=True))
    async with stage.running() as timer:
        await timer.advance(kit.noon)
        assert stage.engine.finished
        run_id = stage.engine.fire("a")
        await timer.settle()
        assert said(world)[run_id] == "succeeded"
