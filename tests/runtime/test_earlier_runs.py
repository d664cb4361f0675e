"""Runs that need what a run of an earlier cycle is still to leave."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import RunStatus
from optifire.runtime.slots import Slots

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def leaving(kit: Any, **values: object) -> Any:
    return kit.Gate(
        Outcome(RunStatus.SUCCEEDED, outputs={k: kit.enc(v) for k, v in values.items()})
    )


def statuses(world: Any, name: str) -> list[str]:
    rows = [row for row in world.store.rows.values() if row.key.plugin_id == name]
    return [f"{row.status}({row.reason})" if row.reason else str(row.status) for row in rows]


@pytest.mark.parametrize("need", ["x", "a", "a.x", {"needs": "x", "max_age": "1h"}])
async def test_a_run_waits_for_the_earlier_run_and_gets_what_it_left(
    world: Any, kit: Any, need: Any
) -> None:
    gate = leaving(kit, x=7)
    world.job("a", gate, out=("x",), schedule="interval_1h")
    world.job("b", needs=(need,), schedule="1 12 * * *")
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon + MINUTE)
        assert statuses(world, "b") == ["due"]
        gate.open.set()
        await timer.settle()
        assert statuses(world, "b") == ["succeeded"]
        assert timer.pausing == 0
    assert world.worker.given("b")["x"] == 7
    (source,) = world.row("b", kit.noon + MINUTE).inputs.values()
    assert source.run_id == "a@20181123T120000Z"


async def test_a_run_also_waits_for_one_that_has_not_started_yet(world: Any, kit: Any) -> None:
    gate = kit.Gate()
    world.job("first", gate, schedule="interval_1h")
    world.job(
        "a", kit.outputs(x=7), out=("x",), needs=({"after": "first"},), schedule="interval_1h"
    )
    world.job("b", needs=("x",), schedule="1 12 * * *")
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon + MINUTE)
        assert statuses(world, "b") == ["due"]
        gate.open.set()
        await timer.settle()
    assert statuses(world, "b") == ["succeeded"]


async def test_after_its_own_grace_it_waits_no_longer_and_says_for_whom(
    world: Any, kit: Any
) -> None:
    gate = leaving(kit, x=7)
    world.job("a", gate, out=("x",), schedule="interval_1h")
    world.job("b", needs=("x",), schedule=["interval_1m"])
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon + MINUTE + timedelta(seconds=29))
        assert statuses(world, "b")[1:] == ["due"]
        await timer.advance(kit.noon + MINUTE + timedelta(seconds=30))
        assert statuses(world, "b")[1:] == ["skipped(upstream: a is still running)"]
        gate.open.set()
        await timer.settle()
    assert statuses(world, "b") == ["succeeded", "skipped(upstream: a is still running)"]


async def test_an_earlier_run_that_fails_leaves_nothing_to_go_on_with(world: Any, kit: Any) -> None:
    gate = kit.Gate(Outcome(RunStatus.FAILED))
    world.job("a", gate, out=("x",), schedule="interval_1h")
    world.job("b", needs=("x",), schedule="1 12 * * *")
    world.job("c", needs=({"optional": "x"},), schedule="1 12 * * *")
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon + MINUTE)
        assert statuses(world, "c") == ["due"]
        gate.open.set()
        await timer.settle()
    assert statuses(world, "b") == ["skipped(upstream: a has nothing fresh)"]
    assert statuses(world, "c") == ["succeeded"]


async def test_a_value_that_is_fresh_enough_is_not_waited_for(world: Any, kit: Any) -> None:
    world.job("a", kit.outputs(x=1), out=("x",), schedule="interval_1m")
    world.job("b", needs=({"needs": "x", "max_age": "1h"},), schedule="2 12 * * *")
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon)
        gate = leaving(kit, x=2)
        world.bodies["a"] = gate
        await timer.advance(kit.noon + MINUTE + timedelta(seconds=30))
        world.jobs["b"] = world.jobs["b"]
        gate.open.set()
        await timer.advance(kit.noon + 2 * MINUTE)
    assert statuses(world, "b") == ["succeeded"]


async def test_what_arrives_late_reaches_only_those_who_wait_for_it(world: Any, kit: Any) -> None:
    gate = leaving(kit, x=2)
    seen: list[tuple[str, Any]] = []

    async def look(request: RunRequest) -> Outcome:
        held = request.view.value("a.x")
        seen.append((request.job.plugin_id, None if held is None else kit.dec(held.value)))
        return Outcome(RunStatus.SUCCEEDED)

    world.job("a", kit.outputs(x=1), out=("x",), schedule="interval_1h")
    world.job("b", look, needs=("x",), schedule="1 13 * * *")
    world.job("c", look, needs=({"after": "b"},), schedule="1 13 * * *")
    async with kit.Stage(world).running(grace=5) as timer:
        await timer.advance(kit.noon)
        world.bodies["a"] = gate
        await timer.advance(kit.noon + timedelta(hours=1, minutes=1))
        gate.open.set()
        await timer.settle()
    assert world.worker.given("b") == {"x": 2, "a.x": 2}
    assert seen == [("b", 1), ("c", 1)]


async def test_order_alone_does_not_wait_for_another_cycle(world: Any, kit: Any) -> None:
    world.job("a", kit.Gate(), schedule="interval_1h")
    world.job("b", needs=({"after": "a"},), schedule="1 12 * * *")
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon + MINUTE)
        assert statuses(world, "b") == ["succeeded"]


async def test_runs_that_wait_for_each_others_cycles_do_not_stop_each_other(
    world: Any, kit: Any
) -> None:
    """A manual run of each needs what the other's scheduled run is to leave; one slot for all."""
    world.slots = Slots(1)
    gate = leaving(kit, x=1)
    world.job("a", gate, out=("x",), schedule="interval_1h")
    world.job("b", kit.outputs(y=1), out=("y",), needs=("x",), schedule="interval_1h")
    world.job("c", needs=("y", "x"))
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(kit.noon)
        for name in "ccb":
            stage.engine.fire(name, force="test")
            await timer.advance(timer.now() + timedelta(seconds=1))
        gate.open.set()
        await timer.settle()
    assert statuses(world, "c") == ["succeeded"] * 2
    assert statuses(world, "b") == ["succeeded"] * 2
    assert stage.crashes == []


# --- freshness --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("need", "age", "expected"),
    [
        ({"needs": "x", "max_age": "1d"}, DAY, "succeeded"),
        ({"needs": "x", "max_age": "1d"}, DAY + MINUTE, "skipped(upstream: a has nothing fresh)"),
        ({"needs": "x", "max_age": "1 session"}, DAY, "succeeded"),
        ({"needs": "x", "max_age": "1 session"}, 2 * DAY, "skipped(upstream: a has nothing fresh)"),
        ({"needs": "x", "max_age": "2 sessions"}, 2 * DAY, "succeeded"),
        ("x", 9 * DAY, "succeeded"),
    ],
)
async def test_an_older_value_is_judged_by_age_sessions_or_the_producers_schedule(
    world: Any, kit: Any, need: Any, age: timedelta, expected: str
) -> None:
    world.job("a", kit.outputs(x=1), out=("x",))
    world.job("b", needs=(need,))
    await world.cycle("a", due=kit.noon - age)
    await world.cycle("b")
    assert world.status("b") == expected


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        ("x", "skipped(upstream: a is off)"),
        ({"needs": "x", "max_age": "2d"}, "succeeded"),
        ({"needs": "x", "max_age": "2h"}, "skipped(upstream: a is off)"),
        ({"optional": "x"}, "succeeded"),
        ({"after": "a"}, "succeeded"),
    ],
)
async def test_a_producer_that_is_off_is_missed_once_nothing_fresh_is_left(
    world: Any, kit: Any, need: Any, expected: str
) -> None:
    world.job("a", kit.outputs(x=1), out=("x",))
    world.job("b", needs=(need,))
    await world.cycle("a", due=kit.noon - DAY)
    world.off.add("a")
    await world.cycle("b")
    assert world.status("b") == expected


async def test_one_key_is_pulled_once_even_by_cycles_of_their_own(world: Any, kit: Any) -> None:
    world.job("a", kit.fails(), out=("x",))
    world.job("b", needs=("x",))
    world.job("c", needs=("x",))
    await world.cycle("b")
    await world.cycle("c")
    assert [one.job.plugin_id for one in world.worker.requests] == ["a"]
    assert world.status("c") == "skipped(upstream: a has nothing fresh)"


async def test_two_cycles_at_once_pull_a_producer_once(world: Any, kit: Any) -> None:
    gate = leaving(kit, x=1)
    world.job("a", gate, out=("x",))
    world.job("b", needs=("x",))
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        stage.engine.fire("b")
        await timer.advance(kit.start + timedelta(seconds=1))
        stage.engine.fire("b", force="again")
        await timer.settle()
        gate.open.set()
        await timer.settle()
    assert statuses(world, "b") == ["succeeded"] * 2
    assert statuses(world, "a") == ["succeeded"]


async def test_a_cycle_that_begins_while_the_end_of_an_earlier_run_is_written_waits_for_it(
    world: Any, kit: Any
) -> None:
    world.clock.timeless = False
    world.job("a", kit.outputs(x=1), out=("x",), schedule="interval_1h")
    world.job("b", needs=("x",))
    commit, writing, written = world.store.commit, asyncio.Event(), asyncio.Event()

    async def slowly(batch: Any, *, hold: bool = False) -> Any:
        if any(row.status is RunStatus.SUCCEEDED for row in batch.runs):
            writing.set()
            await written.wait()
        return await commit(batch, hold=hold)

    world.clock = kit.Stage(world).world.clock
    world.store.commit = slowly
    first = asyncio.create_task(world.cycle("a"))
    await writing.wait()
    world.store.commit = commit
    second = asyncio.create_task(world.cycle("b", due=kit.noon + MINUTE))
    await kit.let_others_run(30)
    written.set()
    await asyncio.gather(first, second)
    assert world.status("b", kit.noon + MINUTE) == "succeeded"
