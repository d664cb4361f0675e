"""Quarantine inside cycles: who is counted, when it is written, and that trials go alone."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from optifire.core.errors import ContractError
from optifire.core.firing import Firing
from optifire.core.job import Code, Overlap
from optifire.core.ledger import Batch, Statement, new_run
from optifire.core.ports import Outcome
from optifire.core.run import Failure, RunStatus
from optifire.runtime.part import Parting
from optifire.runtime.slots import Slots
from optifire.runtime.standings import CHANGED, QUARANTINED, RELEASED, Standings

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MOST = 3


@pytest.fixture
def bad(world: Any, kit: Any) -> Any:
    """Give a world with one plugin that fails, on a clock that does not stand for a replay."""
    world.clock.timeless = False
    world.job("bad", kit.fails(), overlap=Overlap.ALLOW_ALL)
    world.standings = Standings(MOST)
    world.standings.adopt(world.jobs, kit.noon)
    return world


async def fail(world: Any, kit: Any, times: int = MOST) -> None:
    for number in range(times):
        await world.cycle("bad", due=kit.noon + number * MINUTE)


def batches_with_notes(world: Any) -> list[Batch]:
    return [batch for batch in world.store.batches if batch.notes]


async def test_the_last_failure_its_note_and_its_event_are_one_transaction(
    bad: Any, kit: Any
) -> None:
    await fail(bad, kit)
    (batch,) = batches_with_notes(bad)
    (row,), (note,), (event,) = batch.runs, batch.notes, batch.events
    assert row.status is RunStatus.FAILED
    assert (note.kind, note.subject) == (QUARANTINED, "bad")
    assert (event.run_id, event.name, event.source, event.taken) == (
        row.run_id,
        "plugin_quarantined",
        "host",
        True,
    )
    assert msgspec.msgpack.decode(event.data) == {
        "plugin_id": "bad",
        "failures": MOST,
        "reason": note.text,
    }


async def test_who_listens_is_started_in_the_next_turn(bad: Any, kit: Any) -> None:
    bad.job("watcher", listens=frozenset({"plugin_quarantined"}))
    await fail(bad, kit, MOST - 1)
    end = await bad.cycle("bad", due=kit.noon + HOUR)
    assert [(event.name, event.taken) for event in end.events] == [("plugin_quarantined", False)]


async def test_a_success_whose_table_writes_failed_is_a_failure_and_is_told(
    bad: Any, kit: Any
) -> None:
    bad.bodies["bad"] = kit.leaves(sql=["INSERT INTO p_bad_x VALUES (1)"])
    bad.store.reject["bad"] = Failure("WriteError", "no such table")
    await fail(bad, kit)
    (batch,) = batches_with_notes(bad)
    assert "WriteError: no such table" in batch.notes[0].text
    await bad.cycle("bad", due=kit.noon + HOUR)
    assert bad.status("bad", kit.noon + HOUR).startswith("refused(quarantined: 3 runs in a row")


async def test_who_failed_last_goes_after_the_others_of_its_instant_and_priority(
    bad: Any, kit: Any
) -> None:
    bad.slots = Slots(1)
    for name, priority in (("good", 50), ("later", 60), ("also", 50)):
        bad.job(name, priority=priority)
    names = ("bad", "good", "later", "also")
    for number in range(2):
        await bad.cycle(*names, due=kit.noon + number * MINUTE)
    started = [name for what, name in bad.worker.order if what == "start"]
    assert started[:4] == ["also", "bad", "good", "later"]
    assert started[4:] == ["also", "good", "bad", "later"]


async def hold(world: Any, kit: Any) -> None:
    """Have the plugin quarantined, and its first trial due."""
    await fail(world, kit)
    await world.clock.wait(kit.noon + 2 * HOUR)


async def test_of_two_occurrences_at_once_one_is_the_trial(bad: Any, kit: Any) -> None:
    await hold(bad, kit)
    gate = bad.bodies["bad"] = kit.Gate()
    dues = [kit.noon + 2 * HOUR - MINUTE, kit.noon + 2 * HOUR]
    first = asyncio.create_task(bad.cycle("bad", due=dues[0]))
    await gate.begun.wait()
    await bad.cycle("bad", due=dues[1])
    assert bad.status("bad", dues[1]).endswith("; bad@20181123T135900Z is its trial)")
    gate.open.set()
    await first
    assert bad.status("bad", dues[0]) == "succeeded"
    assert [batch.notes[0].kind for batch in batches_with_notes(bad)] == [QUARANTINED, RELEASED]
    assert bad.standings.held == {}


async def test_a_trial_that_could_not_be_written_ahead_is_over(bad: Any, kit: Any) -> None:
    await hold(bad, kit)
    bad.store.refusing = 1
    due = kit.noon + 2 * HOUR
    await bad.cycle("bad", due=due)
    assert bad.status("bad", due).startswith("refused(store")
    assert bad.standings.of("bad").trial is None


async def test_a_run_that_began_with_older_code_says_nothing_of_the_new_one(
    bad: Any, kit: Any
) -> None:
    gate = bad.bodies["bad"] = kit.Gate(Outcome(RunStatus.FAILED))
    going = [asyncio.create_task(bad.cycle("bad", due=kit.noon + n * MINUTE)) for n in range(MOST)]
    await gate.begun.wait()
    old = bad.jobs["bad"]
    new = replace(old, code=Code("/bad", "bad", "11"))
    (note,) = bad.standings.adopt({"bad": new}, kit.noon)
    assert (note.kind, note.subject) == (CHANGED, "bad")
    gate.open.set()
    await asyncio.gather(*going)
    assert bad.standings.of("bad").failures == 0


async def test_who_is_switched_off_begins_anew(bad: Any, kit: Any) -> None:
    await hold(bad, kit)
    (note,) = bad.standings.adopt({}, kit.noon)
    assert (note.kind, note.subject, note.text) == (RELEASED, "bad", "it was switched off")
    assert bad.standings.adopt(bad.jobs, kit.noon) == []
    assert bad.standings.held == {}


async def test_nobody_is_counted_where_nobody_counts(bad: Any, kit: Any) -> None:
    bad.standings = None
    await fail(bad, kit, 2 * MOST)
    assert batches_with_notes(bad) == []
    assert {row.status for row in bad.store.rows.values()} == {RunStatus.FAILED}


async def commit_part(world: Any, kit: Any, part: Outcome) -> None:
    """Commit one part of a stream that goes on since noon."""
    firing = Firing(world.jobs["bad"], kit.noon, "@continuous", MINUTE)
    await Parting(firing, new_run(firing.key), world.parts(), world.clock.now()).commit(part)


async def test_a_part_of_a_stream_is_a_success_also_of_its_trial(bad: Any, kit: Any) -> None:
    await fail(bad, kit)
    await commit_part(bad, kit, Outcome(RunStatus.SUCCEEDED))
    assert bad.standings.of("bad").failures == 0
    assert [batch.notes[0].kind for batch in batches_with_notes(bad)] == [QUARANTINED, RELEASED]


async def test_a_part_whose_table_writes_failed_is_a_failure(bad: Any, kit: Any) -> None:
    bad.store.reject["bad"] = Failure("WriteError", "no such table")
    part = Outcome(RunStatus.SUCCEEDED, statements=(Statement("INSERT", kit.enc([])),))
    with pytest.raises(ContractError, match="no such table"):
        await commit_part(bad, kit, part)
    assert bad.standings.of("bad").why == "failed (WriteError: no such table)"
