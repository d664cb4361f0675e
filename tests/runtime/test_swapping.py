"""Going over to another program, and catching up: nothing that is owed gets lost."""

from datetime import timedelta
from typing import Any

import pytest

from optifire.core.job import Misfire, Overlap, Placement
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import RunStatus
from optifire.core.types import PluginId
from optifire.runtime.engine import Program
from optifire.runtime.slots import Slots

MINUTE = timedelta(minutes=1)


def said(world: Any) -> dict[str, str]:
    return {
        run_id: f"{row.status.value}({row.reason})" if row.reason else row.status.value
        for run_id, row in world.store.rows.items()
    }


async def test_a_swap_keeps_what_downtime_left_owed(world: Any, kit: Any) -> None:
    world.job("a", schedule="interval_1h")
    world.job("b", schedule="interval_1h")
    stage = kit.Stage(world, since={"a": kit.noon - timedelta(hours=5)})
    stage.engine.fire("b")
    stage.engine.swap(stage.program())
    async with stage.running() as timer:
        await timer.settle()
    assert said(world) == {
        "a@20181123T100000Z": "coalesced(late: 3 occurrences found after grace)",
        "a@20181123T110000Z": "succeeded",
        "b@20181123T115930Z~manual": "succeeded",
    }


async def test_a_swap_between_two_instants_loses_and_doubles_nothing(world: Any, kit: Any) -> None:
    world.job("a", schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        for seconds in (40, 60, 70, 90, 130):
            await timer.advance(kit.start + timedelta(seconds=seconds))
            stage.engine.swap(stage.program())
            await timer.settle()
    assert list(said(world)) == ["a@20181123T120000Z", "a@20181123T120100Z"]


async def test_a_job_switched_on_starts_at_its_next_occurrence(world: Any, kit: Any) -> None:
    world.job("a", schedule="interval_1m")
    world.job("b", schedule="interval_1m")
    stage = kit.Stage(world)
    stage.engine.swap(Program({PluginId("a"): world.jobs["a"]}, world.graph()))
    async with stage.running() as timer:
        await timer.advance(kit.noon + timedelta(seconds=30))
        stage.engine.swap(stage.program())
        await timer.advance(kit.noon + MINUTE)
    assert "b@20181123T120000Z" not in said(world)
    assert said(world)["b@20181123T120100Z"] == "succeeded"


async def test_a_buffered_occurrence_whose_job_is_switched_off_is_skipped(
    world: Any, kit: Any
) -> None:
    gate = kit.Gate()
    world.job("a", gate, schedule="interval_1m", overlap=Overlap.BUFFER_ALL)
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(kit.noon + 2 * MINUTE)
        stage.engine.swap(Program({}, world.graph()))
        gate.open.set()
        await timer.settle()
    assert said(world) == {
        "a@20181123T120000Z": "succeeded",
        "a@20181123T120100Z": "skipped(disabled)",
        "a@20181123T120200Z": "skipped(disabled)",
    }


async def test_a_run_keeps_its_slot_only_while_it_runs(world: Any, kit: Any) -> None:
    world.slots = Slots(1)
    inside, most = 0, 0

    async def body(request: RunRequest) -> Outcome:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await kit.let_others_run(2)
        inside -= 1
        return Outcome(RunStatus.SUCCEEDED)

    for name in "abcd":
        world.job(name, body, schedule="interval_1m")
    world.job("e", schedule="interval_1m", placement=Placement.INLINE)
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon + 3 * MINUTE)
    assert most == 1
    assert set(said(world).values()) == {"succeeded"}
    assert len(said(world)) == 20


@pytest.mark.parametrize("policy", [Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.CANCEL_OTHER])
async def test_occurrences_that_are_caught_up_run_one_after_another_oldest_first(
    world: Any, kit: Any, policy: Overlap
) -> None:
    ran = []

    async def body(request: RunRequest) -> Outcome:
        await kit.let_others_run(3)
        ran.append(request.key.due.hour)
        return Outcome(RunStatus.SUCCEEDED)

    world.job("a", body, schedule="interval_1h", misfire=Misfire.ALL, overlap=policy)
    stage = kit.Stage(world, since={"a": kit.noon - timedelta(hours=5)})
    async with stage.running() as timer:
        await timer.settle()
    assert ran == [8, 9, 10, 11]
    assert set(said(world).values()) == {"succeeded"}
