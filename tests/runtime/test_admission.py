"""The way in: gates, and who goes while others of its lane are busy."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from optifire.core.calendar import AlwaysOpen, RegularHours, SessionTable
from optifire.core.firing import BY_HAND, Firing
from optifire.core.job import MOST_TURNS, Code, Job, Overlap, Placement
from optifire.core.run import RunKind
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId
from optifire.runtime.admission import NonRun, Snapshot, admit
from optifire.runtime.pauses import Pause
from optifire.runtime.quarantine import Standing

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: One session, from 11:00 to 13:00 UTC.
DAY = SessionTable(
    "TEST",
    "UTC",
    date(2018, 11, 22),
    date(2018, 11, 24),
    RegularHours(timedelta(hours=11), timedelta(hours=13)),
    [date(2018, 11, 23)],
    [NOON - timedelta(hours=1)],
    [NOON + timedelta(hours=1)],
)


def firing(name: str = "a", category: str = "alpha", **fields: Any) -> Firing:
    about = {
        key: fields.pop(key)
        for key in ("deadline", "intraday", "priority", "placement")
        if key in fields
    }
    schedule = parse_schedule("@manual", calendar=DAY)
    job = Job(PluginId(name), "1.0.0", category, schedule, Code("/a", "A", "00"), **about)
    return Firing(job, fields.pop("due", NOON), "test", MINUTE, **fields)


def said(objection: NonRun | None) -> str:
    return "" if objection is None else f"{objection.status}({objection.reason})"


def snapshot(now: datetime = NOON, **fields: Any) -> Snapshot:
    return replace(Snapshot(now, lambda _: True), **fields)


# --- gates ------------------------------------------------------------------------------------

OVER = "refused(over capacity: its deadline passed while it waited)"
LARGE = (
    "refused(over capacity: its memory limit of 64 MB is more than system.max_ram_mb, 63 MB, "
    "allows: lower its budget.mem_mb or raise that)"
)
HELD = Standing(5, NOON, "failed (ValueError: x)", NOON)
QUARANTINED = (
    "refused(quarantined: 5 runs in a row went wrong since 2018-11-23T12:00:00Z, the last one: "
    "failed (ValueError: x); its first occurrence from 2018-11-23T13:00:00Z on is a trial)"
)
PAUSE = Pause(NOON, "by eva: odd data")
PAUSED = "skipped(paused: since 2018-11-23T12:00:00Z by eva: odd data)"
OPEN = "missed(late: the market opened before the machine was idle)"


@pytest.mark.parametrize(
    ("one", "seen", "expected"),
    [
        (firing(), snapshot(), ""),
        (firing(), snapshot(is_on=lambda _: False), "skipped(disabled)"),
        (firing(skip="half day"), snapshot(), "skipped(half day)"),
        (firing(turn=MOST_TURNS), snapshot(), ""),
        (firing(turn=MOST_TURNS + 1), snapshot(chain=tuple("abcde")),
         "refused(event loop: b -> c -> d -> e)"),
        (firing(category="exec"), snapshot(NOON + MINUTE), ""),
        (firing(category="exec"), snapshot(NOON + 1.01 * MINUTE), OVER),
        (firing(category="exec"), snapshot(NOON + 9 * MINUTE, timeless=True), ""),
        (firing(deadline=5.0), snapshot(NOON + MINUTE), OVER),
        (firing(), snapshot(most_mb=64.0), ""),
        (firing(), snapshot(most_mb=63.0), LARGE),
        (firing(placement=Placement.INLINE), snapshot(most_mb=63.0), ""),
        (firing(), snapshot(standing_of=lambda _: replace(HELD, held=None)), ""),
        (firing(), snapshot(standing_of=lambda _: HELD), QUARANTINED),
        (firing(category="exec"), snapshot(standing_of=lambda _: HELD), QUARANTINED),
        (firing(kind=RunKind.MANUAL), snapshot(standing_of=lambda _: HELD), ""),
        (firing(), snapshot(NOON + 60 * MINUTE, standing_of=lambda _: HELD), ""),
        (firing(), snapshot(pause_of=lambda _, __: PAUSE), PAUSED),
        (firing(category="risk"), snapshot(pause_of=lambda _, __: PAUSE), PAUSED),
        (firing(category="exec"), snapshot(pause_of=lambda _, __: PAUSE), PAUSED),
        (firing(turn=1), snapshot(pause_of=lambda _, __: PAUSE), PAUSED),
        (firing(kind=RunKind.MANUAL), snapshot(pause_of=lambda _, __: PAUSE), PAUSED),
        (replace(firing(kind=RunKind.MANUAL), trigger=BY_HAND),
         snapshot(pause_of=lambda _, __: PAUSE), ""),
        (firing(), snapshot(NOON + 999 * MINUTE), ""),
        (firing(idle=True), snapshot(), OPEN),
        (firing(idle=True), snapshot(timeless=True), ""),
        (firing(idle=True, intraday=True), snapshot(), ""),
        (firing(idle=True), snapshot(NOON + timedelta(hours=1)), ""),
    ],
)  # fmt: skip
def test_gates_object_with_a_reason(one: Firing, seen: Snapshot, expected: str) -> None:
    assert said(admit(one, seen)) == expected


def test_the_first_objection_counts() -> None:
    assert said(admit(firing(skip="half day"), snapshot(is_on=lambda _: False))) == (
        "skipped(disabled)"
    )


async def test_what_a_half_day_skips_is_recorded_and_not_run(world: Any, kit: Any) -> None:
    world.job("a")
    one = Firing(world.jobs["a"], NOON, "@close-4h", MINUTE, skip="half day")
    stage = kit.Stage(world)
    stage.engine.take_up([one], ())
    async with stage.running() as timer:
        await timer.settle()
    assert world.status("a") == "skipped(half day)"
    assert world.worker.requests == []


# --- lanes ------------------------------------------------------------------------------------


async def start(world: Any, kit: Any, *cycles: tuple[str, datetime]) -> list[asyncio.Task[Any]]:
    world.clock.timeless = False
    tasks = []
    for name, due in cycles:
        tasks.append(asyncio.create_task(world.cycle(name, due=due)))
        await kit.let_others_run(20)
    return tasks


async def test_exec_jobs_of_one_account_go_one_at_a_time_and_none_is_skipped_for_another(
    world: Any, kit: Any
) -> None:
    gate = kit.Gate()
    for name in ("buy", "sell"):
        world.job(name, gate, category="exec")
    tasks = await start(world, kit, ("buy", NOON), ("sell", NOON), ("buy", NOON + MINUTE))
    assert [one.job.plugin_id for one in world.worker.requests] == ["buy"]
    gate.open.set()
    await asyncio.gather(*tasks)
    assert [one.job.plugin_id for one in world.worker.requests] == ["buy", "sell"]
    assert world.status("sell") == "succeeded"
    assert world.status("buy", NOON + MINUTE) == "skipped(overlap)"


async def test_of_buffered_occurrences_the_newest_by_due_stays(world: Any, kit: Any) -> None:
    gate = kit.Gate()
    world.job("a", gate, overlap=Overlap.BUFFER_ONE)
    dues = [NOON, NOON + 2 * MINUTE, NOON + MINUTE]
    tasks = await start(world, kit, *(("a", due) for due in dues))
    gate.open.set()
    await asyncio.gather(*tasks)
    assert [world.status("a", due) for due in dues] == [
        "succeeded",
        "succeeded",
        "skipped(overlap: a newer occurrence took its place)",
    ]


async def test_a_forced_run_goes_beside_the_one_in_progress_and_the_buffer_waits_for_both(
    world: Any, kit: Any
) -> None:
    gate = kit.Gate()
    world.job("a", gate, schedule="interval_1m", overlap=Overlap.BUFFER_ALL)
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(NOON)
        forced = stage.engine.fire("a", force="now")
        await timer.advance(NOON + MINUTE)
        assert len(world.live) == 2
        assert len(world.worker.requests) == 2
        assert stage.engine.cancel(forced, "enough")
        await timer.settle()
        assert len(world.worker.requests) == 2
        gate.open.set()
        await timer.settle()
    assert len(world.worker.requests) == 3


def test_without_sessions_idle_work_is_never_shut_out() -> None:
    always = parse_schedule("@manual", calendar=AlwaysOpen())
    one = firing(idle=True, intraday=True)
    one.job = replace(one.job, schedule=always)
    assert admit(one, snapshot()) is None
