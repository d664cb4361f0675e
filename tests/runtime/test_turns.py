"""Events start their listeners in the next turn; ticks become cycles."""

from datetime import timedelta
from typing import Any

import pytest

from optifire.core.firing import Firing
from optifire.core.job import MOST_TURNS
from optifire.core.ledger import NoteRow
from optifire.core.ports import Outcome, RunRequest, Tick
from optifire.core.run import RunKind, RunStatus
from optifire.runtime.clock import VirtualClock
from optifire.runtime.engine import Pace
from optifire.runtime.orchestrator import cycles_of

MINUTE = timedelta(minutes=1)


def ids(world: Any) -> dict[str, str]:
    return {
        run_id: f"{row.status}({row.reason})" if row.reason else str(row.status)
        for run_id, row in world.store.rows.items()
    }


async def test_a_listener_runs_in_the_next_turn_and_sees_what_was_committed(
    world: Any, kit: Any
) -> None:
    seen: list[Any] = []

    async def look(request: RunRequest) -> Outcome:
        held = request.view.value("a.x")
        assert held is not None
        seen.append((kit.dec(held.value), [event.name for event in request.events]))
        return Outcome(RunStatus.SUCCEEDED)

    world.job("a", kit.leaves(outputs={"x": 1}, events=["e"]), out=("x",), schedule="interval_1h")
    world.job("b", look, listens=frozenset({"e"}))
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon)
    assert list(ids(world)) == ["a@20181123T120000Z", "b@20181123T120000Z.t1"]
    assert seen == [(1, ["e"])]
    assert world.store.rows["b@20181123T120000Z.t1"].trigger == "event: e"


async def test_the_listeners_are_written_down_in_the_commit_that_takes_the_events(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.leaves(events=["e"]), schedule="interval_1h")
    world.job("b", listens=frozenset({"e"}))
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon)
    (taking,) = [batch for batch in world.store.batches if batch.events_taken]
    assert taking.events_taken == [(kit.noon, 0)]
    assert [row.run_id for row in taking.runs] == ["b@20181123T120000Z.t1"]


async def test_several_events_for_one_job_are_one_run_in_the_order_of_runs(
    world: Any, kit: Any
) -> None:
    world.job("z", kit.leaves(events=["e", "f"]), schedule="interval_1h")
    world.job("a", kit.leaves(events=["f", "g"]), schedule="interval_1h")
    world.job("b", listens=frozenset({"e", "f"}))
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon)
    request = world.worker.requests[-1]
    assert [event.name for event in request.events] == ["f", "e", "f"]
    assert world.store.rows[request.run_id].trigger == "event: f, e"
    assert len(ids(world)) == 3


async def test_an_event_of_a_run_that_fails_starts_nobody(world: Any, kit: Any) -> None:
    async def fails(request: RunRequest) -> Outcome:
        outcome: Outcome = await kit.leaves(events=["e"])(request)
        outcome.status = RunStatus.FAILED
        return outcome

    world.job("a", fails, schedule="interval_1h")
    world.job("b", listens=frozenset({"e"}))
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon)
    assert ids(world) == {"a@20181123T120000Z": "failed"}


async def test_after_sixteen_turns_a_loop_is_refused_with_its_chain(world: Any, kit: Any) -> None:
    world.job("a", kit.leaves(events=["ping"]), schedule="interval_1h", listens=frozenset({"pong"}))
    world.job("b", kit.leaves(events=["pong"]), listens=frozenset({"ping"}))
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon)
    found = ids(world)
    assert len(found) == MOST_TURNS + 2
    assert set(list(found.values())[:-1]) == {"succeeded"}
    assert list(found)[-1] == f"b@20181123T120000Z.t{MOST_TURNS + 1}"
    assert list(found.values())[-1] == "refused(event loop: pong -> ping -> pong -> ping)"


async def test_a_job_that_is_due_and_also_hears_an_event_runs_twice_in_two_turns(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.leaves(events=["e"]), schedule="interval_1h")
    world.job("b", schedule="interval_1h", listens=frozenset({"e"}))
    async with kit.Stage(world).running() as timer:
        await timer.advance(kit.noon)
    assert ids(world) == {
        "a@20181123T120000Z": "succeeded",
        "b@20181123T120000Z": "succeeded",
        "b@20181123T120000Z.t1": "succeeded",
    }


# --- from ticks to cycles ---------------------------------------------------------------------


def test_firings_of_one_instant_and_turn_are_one_cycle_and_others_stand_alone(
    world: Any, kit: Any
) -> None:
    jobs = {name: world.job(name) for name in "abc"}

    def firing(name: str, **fields: Any) -> Firing:
        return Firing(jobs[name], kit.noon, "test", MINUTE, **fields)

    firings = [
        firing("a", kind=RunKind.MANUAL),
        firing("b", kind=RunKind.MANUAL),
        firing("a"),
        firing("b"),
        firing("a", idle=True),
        firing("b", idle=True),
        firing("c", turn=1),
    ]
    sizes = [len(cycle) for cycle in cycles_of(firings)]
    assert sizes == [1, 1, 2, 1, 1, 1]
    assert cycles_of([]) == []


async def test_in_step_the_turns_of_one_instant_come_before_the_next_instant(
    world: Any, kit: Any
) -> None:
    world.replaying = True
    world.job("a", kit.leaves(events=["e"]), schedule="interval_1m")
    world.job("b", listens=frozenset({"e"}))
    pace = Pace(in_step=True, until=kit.noon + MINUTE)
    await kit.Stage(world, clock=VirtualClock(kit.start), pace=pace).engine.run()
    assert list(ids(world)) == [
        "a@20181123T120000Z",
        "b@20181123T120000Z.t1",
        "a@20181123T120100Z",
        "b@20181123T120100Z.t1",
    ]


async def test_spans_and_notes_are_written_before_the_cycles_of_their_tick(
    world: Any, kit: Any
) -> None:
    world.job("a", schedule="interval_1h")
    stage = kit.Stage(world, since={"a": kit.noon - timedelta(hours=5)})
    ticks: list[Tick] = []

    def notes(tick: Tick) -> list[NoteRow]:
        ticks.append(tick)
        return [NoteRow(tick.now, "holiday", "TEST", "closed")] if len(ticks) == 1 else []

    stage.engine.passed = notes
    async with stage.running() as timer:
        await timer.settle()
    first = world.store.batches[0]
    assert [(row.status, row.count) for row in first.runs] == [(RunStatus.COALESCED, 3)]
    assert [note.text for note in first.notes] == ["closed"]
    assert (ticks[0].since, ticks[0].now) == (kit.start, kit.start)


@pytest.mark.parametrize("fails", [False, True])
async def test_idle_jobs_run_one_at_a_time_when_nothing_else_does(
    world: Any, kit: Any, *, fails: bool
) -> None:
    gate = kit.Gate()
    at_once: list[int] = []

    async def body(request: RunRequest) -> Outcome:
        at_once.append(len(world.live))
        await kit.let_others_run(5)
        return Outcome(RunStatus.FAILED if fails else RunStatus.SUCCEEDED)

    world.job("a", gate)
    world.job("i", body, intraday=True)
    world.job("j", body, intraday=True)
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        stage.engine.fire("a")
        await timer.settle()
        idle = [Firing(world.jobs[n], kit.noon, "@idle", MINUTE, idle=True) for n in "ij"]
        stage.engine.take_up(idle, ())
        world.clock.wake()
        await timer.settle()
        assert at_once == []
        gate.open.set()
        await timer.settle()
    assert at_once == [1, 1]
