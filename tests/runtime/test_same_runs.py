"""The promise behind replay: whatever the clock, the same program gives the same runs."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from optifire.core.ledger import Statement
from optifire.core.ports import Outcome, Published, RunRequest
from optifire.core.run import Failure, Reason, RunStatus
from optifire.runtime.clock import VirtualClock
from optifire.runtime.engine import Pace
from optifire.runtime.slots import Slots

LENGTH = timedelta(minutes=8)
SCHEDULES = (
    "interval_1m",
    "interval_2m",
    "interval_4m",
    ["interval_2m", "interval_3m"],
    "*/3 * * * *",
    "@manual",
)
FORMS: tuple[Any, ...] = (
    lambda name, key: name,
    lambda name, key: key,
    lambda name, key: f"{name}.{key}",
    lambda name, key: {"optional": key},
    lambda name, key: {"after": name},
    lambda name, key: {"needs": key, "max_age": "2m"},
    lambda name, key: {"optional": {"needs": name, "max_age": "3m"}},
)
MOODS = ("succeeds", "fails", "tries again", "has no data", "forgets", "writes", "breaks tables")


@st.composite
def programs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Jobs that need earlier ones, publish events, listen to them, and end in every way."""
    jobs = []
    for number in range(draw(st.integers(1, 6))):
        producers = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        jobs.append(
            {
                "name": f"j{number}",
                "schedule": draw(st.sampled_from(SCHEDULES)),
                "needs": [(f"j{p}", draw(st.integers(0, len(FORMS) - 1))) for p in producers],
                "moods": draw(st.lists(st.sampled_from(MOODS), min_size=1, max_size=3)),
                "events": draw(st.lists(st.sampled_from(["e0", "e1"]), max_size=2)),
                "listens": draw(st.sets(st.sampled_from(["e0", "e1"]), max_size=1)),
                "retries": draw(st.integers(0, 2)),
                "yields": draw(st.integers(0, 4)),
            }
        )
    return jobs


def draw_of(request: RunRequest, count: int) -> int:
    """Give a number below `count` that follows from the run's key alone."""
    return hashlib.sha256(request.run_id.encode()).digest()[0] % count


def body_of(kit: Any, job: dict[str, Any]) -> Any:
    async def body(request: RunRequest) -> Outcome:
        await kit.let_others_run(job["yields"])
        mood = job["moods"][draw_of(request, len(job["moods"]))]
        if mood == "fails" or (mood == "tries again" and request.attempt == 1):
            retryable = mood == "tries again"
            failure = Failure("BoomError", "boom", retryable=retryable)
            return Outcome(RunStatus.FAILED, Reason("error", "BoomError"), failure=failure)
        if mood == "has no data":
            return Outcome(RunStatus.SKIPPED, Reason("no data", "ended"))
        seen = {name: kit.dec(one.value) for name, one in sorted(request.given.items())}
        told = [event.name for event in request.events]
        there = list(request.view.names())
        value = hashlib.sha256(repr((request.run_id, seen, told, there)).encode()).hexdigest()[:8]
        return Outcome(
            RunStatus.SUCCEEDED,
            outputs={} if mood == "forgets" else {f"k{job['name']}": kit.enc(value)},
            writes={"shared": kit.enc(value)} if mood == "writes" else {},
            events=tuple(Published(name, kit.enc(value), job["name"]) for name in job["events"]),
            statements=(Statement("INSERT", kit.enc([])),) if mood == "breaks tables" else (),
        )

    return body


def world_of(kit: Any, program: list[dict[str, Any]], slots: int = 4) -> Any:
    world = kit.World(slots=Slots(slots))
    for job in program:
        world.store.reject[job["name"]] = Failure("ContractError", "no such table")
        world.job(
            job["name"],
            body_of(kit, job),
            schedule=job["schedule"],
            needs=tuple(FORMS[form](name, f"k{name}") for name, form in job["needs"]),
            out=(f"k{job['name']}",),
            listens=frozenset(job["listens"]),
            retries=job["retries"],
        )
    return world


def record(world: Any) -> dict[str, Any]:
    """Give of every run what the digest of a replay is made of."""
    return {
        run_id: (
            row.trigger,
            str(row.status),
            str(row.reason),
            row.attempts,
            dict(row.outputs),
            {name: (one.run_id, one.as_of) for name, one in row.inputs.items()},
            row.note,
        )
        for run_id, row in sorted(world.store.rows.items())
    }


def published(world: Any) -> dict[str, Any]:
    return {name: (one.run_id, one.value) for name, one in world.board.snapshot().items()}


async def live(kit: Any, program: list[dict[str, Any]]) -> Any:
    world = world_of(kit, program)
    stage = kit.Stage(world)
    async with stage.running() as timer:
        await timer.advance(kit.start + LENGTH)
    assert stage.crashes == []
    return world


async def replayed(kit: Any, program: list[dict[str, Any]], slots: int = 4) -> Any:
    world = world_of(kit, program, slots)
    world.replaying = True
    pace = Pace(in_step=True, until=kit.start + LENGTH)
    stage = kit.Stage(world, clock=VirtualClock(kit.start), pace=pace)
    await stage.engine.run()
    assert stage.crashes == []
    return world


@given(programs())
@settings(max_examples=40, deadline=None)
def test_the_wall_clock_and_the_virtual_clock_give_the_same_runs(
    kit: Any, program: list[dict[str, Any]]
) -> None:
    one, other = asyncio.run(live(kit, program)), asyncio.run(replayed(kit, program))
    assert record(one) == record(other)
    assert published(one) == published(other)
    for world in (one, other):
        assert len(world.slots) == len(world.live) == len(world.live.all()) == 0


@given(programs(), st.lists(st.integers(0, 6), min_size=6, max_size=6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_what_a_run_sees_does_not_depend_on_how_long_others_take_nor_on_slots(
    kit: Any, program: list[dict[str, Any]], yields: list[int], slots: int
) -> None:
    other_pace = [job | {"yields": turns} for job, turns in zip(program, yields, strict=False)]
    first = asyncio.run(replayed(kit, program))
    second = asyncio.run(replayed(kit, other_pace, slots))
    assert record(first) == record(second)
    assert published(first) == published(second)
