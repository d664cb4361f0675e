"""Pauses: what they cover, and what becomes of runs, streams and pulls meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optifire.core.job import Overlap
from optifire.core.ledger import NoteRow
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import RunStatus
from optifire.runtime.pauses import ALL, PAUSED, RESUMED, Pauses, note_of

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SAID = "skipped(paused: since 2018-11-23T12:00:00Z by eva: odd data)"


def note(kind: str, subject: str, minute: float = 0) -> NoteRow:
    return note_of(kind, subject, NOON + minute * MINUTE, "eva", "odd\n data")


def ended(world: Any) -> dict[str, str]:
    return {
        run_id: f"{row.status.value}({row.reason})" if row.reason else row.status.value
        for run_id, row in world.store.rows.items()
    }


# --- what they cover ----------------------------------------------------------------------------


def test_a_pause_is_of_one_plugin_until_it_is_resumed() -> None:
    pauses = Pauses([note(PAUSED, "a")])
    assert str(pauses.of("a")) == "since 2018-11-23T12:00:00Z by eva: odd data"
    assert pauses.of("b") is None
    assert pauses.alone() == ["a"]
    assert pauses.sentences() == []
    pauses.take(note(RESUMED, "a", 1))
    assert pauses.of("a") is None
    assert pauses.alone() == []


def test_a_pause_of_all_and_one_of_a_plugin_end_by_themselves() -> None:
    pauses = Pauses([note(PAUSED, "a"), note(PAUSED, ALL, 1)])
    assert pauses.of("b") is pauses.own(ALL)
    assert pauses.sentences() == [
        "all plugins are paused since 2018-11-23T12:01:00Z by eva: odd data"
    ]
    pauses.take(note(RESUMED, "a", 2))
    assert pauses.of("a") is pauses.own(ALL)
    pauses.take(note(PAUSED, "a", 3))
    pauses.take(note(RESUMED, ALL, 4))
    assert pauses.of("a") is not None
    assert pauses.of("b") is None


def test_what_was_due_in_a_pause_is_not_owed_after_it_and_nothing_else_is_held() -> None:
    pauses = Pauses([note(PAUSED, "a"), note(RESUMED, "a", 2), note(PAUSED, ALL, 4)])
    pauses.take(note(RESUMED, ALL, 5))
    held = [m for m in range(-1, 7) if pauses.at("a", NOON + m * MINUTE) is not None]
    assert held == [0, 1, 4]
    assert [m for m in range(-1, 7) if pauses.at("b", NOON + m * MINUTE)] == [4]
    pauses.take(note(PAUSED, "a", 9))
    assert pauses.at("a", NOON - MINUTE) is pauses.own("a")


def test_a_second_word_changes_nothing() -> None:
    pauses = Pauses([note(RESUMED, "a"), note(PAUSED, "a", 1), note(PAUSED, "a", 2)])
    assert pauses.changed("a") == NOON + MINUTE
    pauses.take(note(RESUMED, "a", 3))
    pauses.take(note(RESUMED, "a", 4))
    assert pauses.changed("a") == NOON + 3 * MINUTE
    assert pauses.changed("b") is None


def test_without_a_reason_there_is_only_who() -> None:
    assert note_of(PAUSED, "a", NOON, "eva", " \n").text == "by eva"


# --- what they do -------------------------------------------------------------------------------


async def test_occurrences_in_a_pause_are_recorded_and_only_later_ones_run(
    world: Any, kit: Any
) -> None:
    world.pauses = Pauses([note(PAUSED, "a")])
    world.job("a", schedule="interval_1m")
    world.job("b", schedule="interval_1m")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        await timer.advance(NOON + 1.5 * MINUTE)
        world.pauses.take(note(RESUMED, "a", 1.5))
        await timer.advance(NOON + 2 * MINUTE)
    assert [world.status("a", NOON + m * MINUTE) for m in range(3)] == [SAID, SAID, "succeeded"]
    assert {world.status("b", NOON + m * MINUTE) for m in range(3)} == {"succeeded"}


async def test_a_run_that_goes_on_may_end_and_what_waits_for_its_turn_is_skipped(
    world: Any, kit: Any
) -> None:
    gate = kit.Gate()
    world.pauses = Pauses()
    world.job("a", gate, schedule="interval_1m", overlap=Overlap.BUFFER_ONE)
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(NOON + MINUTE)
        world.pauses.take(note(PAUSED, "a"))
        gate.open.set()
        await timer.settle()
    assert world.status("a") == "succeeded"
    assert world.status("a", NOON + MINUTE) == SAID


async def test_listeners_and_what_is_pulled_in_are_paused_too(world: Any, kit: Any) -> None:
    world.pauses = Pauses([note(PAUSED, "hears"), note(PAUSED, "makes")])
    world.job("says", kit.leaves(events=("news",)))
    world.job("hears", listens=frozenset({"news"}))
    world.job("makes", kit.outputs(x=1), out=("x",))
    world.job("needs", needs=("x",))
    stage = kit.Stage(world, start=NOON)
    async with stage.running() as timer:
        stage.engine.fire("says")
        stage.engine.fire("needs")
        await timer.settle()
    assert world.status("hears") == world.status("makes") == SAID
    assert world.status("says") == "succeeded"
    assert world.status("needs").startswith("skipped(upstream")


async def test_a_stream_ends_at_a_pause_and_begins_again_when_that_is_over(
    world: Any, kit: Any
) -> None:
    runs: list[RunRequest] = []

    async def flow(request: RunRequest) -> Outcome:
        runs.append(request)
        await asyncio.Event().wait()
        return Outcome(RunStatus.SUCCEEDED)

    world.pauses = Pauses([note(PAUSED, ALL, -1)])
    world.job("flows", flow, schedule="@continuous")
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(NOON)
        assert runs == []
        world.pauses.take(note(RESUMED, ALL))
        stage.engine.streams.refresh()
        await timer.settle()
        assert len(runs) == 1
        world.pauses.take(note(PAUSED, "flows", 1))
        stage.engine.streams.refresh()
        await timer.advance(NOON + 60 * MINUTE)
        assert list(ended(world).values()) == ["cancelled(cancelled: it was paused)"]
        world.pauses.take(note(RESUMED, "flows", 60))
        stage.engine.streams.refresh()
        await timer.settle()
        assert len(runs) == 2
    assert len(ended(world)) == 2


@pytest.mark.parametrize("subject", ["a", ALL])
async def test_a_run_by_hand_is_made_also_in_a_pause(world: Any, kit: Any, subject: str) -> None:
    world.pauses = Pauses([note(PAUSED, subject, -1)])
    world.job("a")
    stage = kit.Stage(world)
    async with stage.running() as timer:
        run_id = stage.engine.fire("a")
        await timer.settle()
    assert ended(world) == {run_id: "succeeded"}
