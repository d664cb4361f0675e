"""An occurrence of the past: what its run sees, what it leaves, and what it never touches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ContractError, StoreError
from optifire.core.firing import Firing
from optifire.core.job import Effect, Placement
from optifire.core.ledger import ContextValue, RunRow
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.runtime.backfill import Ground, PastTables, upstream_of, values_then, why_not
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.cycle import Cycle
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.runner import Runner

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EACH_HOUR = "interval_1h"


@dataclass
class Past:
    """Makes up for occurrences of a world, as whoever reads a ledger would."""

    world: Any
    turn: int = 0
    heard: list[Any] = field(default_factory=list)

    def ground(self) -> Ground:
        world = self.world
        worker = Runner(dict.fromkeys(Placement, world.worker), world.clock)
        recorder = LiveRecorder(world.store, world.board, world.clock, self.heard.append)
        return Ground(
            world.jobs, world.graph(), world.clock, recorder, worker, world.slots, world.board
        )

    def then(self, due: datetime) -> dict[str, ContextValue]:
        found: dict[str, RunRow] = {}
        for row in sorted(self.world.store.rows.values(), key=lambda row: row.key.due):
            if row.status is RunStatus.SUCCEEDED and row.key.due <= due:
                found[row.key.plugin_id] = row
        return values_then(found.values(), self.world.jobs, self.world.graph())

    async def make(self, name: str, due: datetime) -> RunRow:
        job = self.world.jobs[name]
        moment = job.schedule.next_known(due - timedelta(microseconds=1))
        assert moment is not None
        return await self.ground().make(job, moment, self.turn, self.then(due))


@pytest.fixture
def past(world: Any) -> Past:
    return Past(world)


def stamped(kit: Any) -> Any:
    async def body(request: RunRequest) -> Outcome:
        return Outcome(RunStatus.SUCCEEDED, outputs={"at": kit.enc(f"{request.key.due:%H}")})

    return body


def shown(world: Any, kit: Any) -> dict[str, Any]:
    values = world.board.snapshot().values()
    return {one.name: kit.dec(one.value) for one in values if one.key}


async def test_it_is_recorded_as_backfill_under_its_instant_and_when_it_was_made(
    world: Any, kit: Any, past: Past
) -> None:
    world.job("a", stamped(kit), out=("at",), schedule=EACH_HOUR, jitter=5.0, deadline=1.0)
    row = await past.make("a", NOON - 3 * HOUR)
    assert row.run_id == "a@20181123T090000Z~backfill"
    assert (row.status, row.started_at, row.finished_at) == (RunStatus.SUCCEEDED, NOON, NOON)
    request = world.worker.requests[0]
    assert (request.key.due, request.replay) == (NOON - 3 * HOUR, True)
    assert request.timeout == world.jobs["a"].timeout
    assert [status for _, status in world.store.history] == [RunStatus.SUCCEEDED]
    assert shown(world, kit) == {"a.at": "09", "at": "09"}


async def test_it_sees_what_stood_at_its_instant_and_replaces_nothing_newer(
    world: Any, kit: Any, past: Past
) -> None:
    seen: list[Any] = []

    async def reads(request: RunRequest) -> Outcome:
        seen.append({name: kit.dec(one.value) for name, one in request.given.items()})
        value = request.view.value("b.at")
        seen.append(None if value is None else kit.dec(value.value))
        return Outcome(RunStatus.SUCCEEDED, outputs={"at": kit.enc(f"{request.key.due:%H}")})

    world.job("a", stamped(kit), out=("at",), schedule=EACH_HOUR)
    world.job("b", reads, needs=("a.at",), out=("at",), schedule=EACH_HOUR)
    for hours in (4, 1):
        await world.cycle("a", "b", due=NOON - hours * HOUR)
    before = shown(world, kit)
    seen.clear()
    await world.cycle("a", due=NOON - 2 * HOUR)
    await past.make("b", NOON - 2 * HOUR)
    given, own = seen
    assert given["a.at"] == "10"
    assert own == "08"
    assert shown(world, kit) == before == {"a.at": "11", "b.at": "11"}


async def test_what_it_needs_is_made_first_where_nothing_fresh_is_there(
    world: Any, kit: Any, past: Past
) -> None:
    world.job("a", stamped(kit), out=("at",), schedule=EACH_HOUR)
    world.job("b", stamped(kit), needs=("a",), schedule=EACH_HOUR)
    await world.cycle("a", due=NOON - 4 * HOUR)
    row = await past.make("b", NOON - 2 * HOUR)
    assert row.status is RunStatus.SUCCEEDED
    pulled = world.store.rows["a@20181123T100000Z~backfill"]
    assert pulled.trigger == "pull: b"
    assert row.inputs["a"].run_id == pulled.run_id
    await past.make("b", NOON - 4 * HOUR)
    assert "a@20181123T080000Z~backfill" not in world.store.rows


@pytest.mark.parametrize(
    "fields",
    [{"effect": Effect.EFFECTFUL}, {"observes_machine": True}, {"hooks": ("start",)}],
)
async def test_what_needs_one_whose_past_cannot_be_made_leaves_no_row_and_says_why(
    world: Any, kit: Any, past: Past, fields: Mapping[str, Any]
) -> None:
    world.job("a", stamped(kit), out=("at",), schedule=EACH_HOUR, **fields)
    world.job("b", stamped(kit), needs=("a",), schedule=EACH_HOUR)
    row = await past.make("b", NOON - HOUR)
    assert row.attempts == 0
    assert str(row.reason) == "upstream: a has nothing fresh"
    assert world.store.rows == {}
    await world.cycle("a", due=NOON - HOUR)
    assert (await past.make("b", NOON - HOUR)).status is RunStatus.SUCCEEDED


async def test_all_attempts_are_written_with_the_end_of_the_run(
    world: Any, kit: Any, past: Past
) -> None:
    world.job("a", kit.fails(retryable=True), schedule=EACH_HOUR, retries=2)
    row = await past.make("a", NOON - HOUR)
    assert (row.status, row.attempts) == (RunStatus.FAILED, 3)
    (batch,) = (batch for batch in world.store.batches if batch.runs)
    assert [one.number for one in batch.attempts] == [1, 2, 3]
    assert all(batch.runs for batch in world.store.batches if batch.attempts)


async def test_a_further_try_is_a_row_of_its_own_and_leaves_events_of_others_alone(
    world: Any, kit: Any, past: Past
) -> None:
    world.job("a", kit.fails(), schedule=EACH_HOUR)
    await past.make("a", NOON - HOUR)
    world.bodies["a"] = stamped(kit)
    past.turn = 1
    row = await past.make("a", NOON - HOUR)
    assert row.run_id == "a@20181123T110000Z.t1~backfill"
    assert row.status is RunStatus.SUCCEEDED
    assert all(not batch.events_taken for batch in world.store.batches)


async def test_its_events_are_recorded_and_start_nobody(world: Any, kit: Any, past: Past) -> None:
    world.job("a", kit.leaves(events=("moved",)), schedule=EACH_HOUR)
    world.job("b", listens=frozenset({"moved"}))
    await past.make("a", NOON - HOUR)
    (event,) = (event for batch in world.store.batches for event in batch.events)
    assert (event.name, event.taken) == ("moved", True)
    assert [request.job.plugin_id for request in world.worker.requests] == ["a"]


async def test_its_table_writes_may_only_add(world: Any, kit: Any, past: Past) -> None:
    world.job("a", kit.leaves(sql=("INSERT INTO signals (value) VALUES (1)",)), schedule=EACH_HOUR)
    await past.make("a", NOON - HOUR)
    await world.cycle("a")
    writes = [write for batch in world.store.batches for write in batch.writes]
    assert [write.add_only for write in writes] == [True, False]


async def test_tables_cannot_be_read() -> None:
    with pytest.raises(ContractError, match=r"what is there today.*SELECT 1"):
        await PastTables().fetch("SELECT 1", Encoded(b""), one=True, plugin_id="a")


async def test_it_takes_a_slot_behind_all_others(world: Any, kit: Any, past: Past) -> None:
    world.job("a", stamped(kit), schedule=EACH_HOUR, priority=1, placement=Placement.INLINE)
    await past.make("a", NOON - HOUR)
    (request,) = world.worker.requests
    assert (request.job.priority, request.job.placement) == (100, Placement.ISOLATED)


async def test_a_disk_that_refuses_ends_it_and_nothing_counts_as_made(
    world: Any, kit: Any, past: Past
) -> None:
    world.job("a", stamped(kit), schedule=EACH_HOUR)
    world.store.full = True
    with pytest.raises(StoreError, match="disk full"):
        await past.make("a", NOON - HOUR)
    world.store.full = False
    assert world.store.rows == {}
    assert (await past.make("a", NOON - HOUR)).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"effect": Effect.EFFECTFUL}, "effectful"),
        ({"category": "exec"}, "effectful"),
        ({"observes_machine": True}, "observes the machine"),
        ({"schedule": "@continuous"}, "stream"),
        ({"hooks": ("handle_event",)}, "handle_event()"),
        ({"effect": Effect.IDEMPOTENT}, ""),
    ],
)
def test_who_cannot_be_made_up_for_is_said(
    world: Any, fields: Mapping[str, Any], says: str
) -> None:
    why = why_not(world.job("a", **fields))
    assert says in why
    assert bool(why) == bool(says)


def test_upstream_is_found_over_any_number_of_steps(world: Any) -> None:
    world.job("a", out=("x",))
    world.job("b", needs=("x",), out=("y",))
    world.job("c", needs=("b", "x"))
    assert upstream_of(PluginId("c"), world.graph()) == ["c", "b", "a"]


@given(
    hours=st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=8),
    backfilled=st.sets(st.integers(0, 40)),
)
async def test_whatever_is_made_in_which_order_the_newest_instant_stands(
    kit: Any, hours: list[int], backfilled: set[int]
) -> None:
    world = kit.World(board=Blackboard())
    world.job("a", stamped(kit), out=("at",), schedule=EACH_HOUR)
    past = Past(world)
    for each in hours:
        if each in backfilled:
            await past.make("a", NOON - each * HOUR)
        else:
            await world.cycle("a", due=NOON - each * HOUR)
    newest = NOON - min(hours) * HOUR
    assert world.board.get("at").as_of == newest
    kinds = {row.key.due: row.key.kind for row in world.store.rows.values()}
    assert kinds == {
        NOON - each * HOUR: RunKind.BACKFILL if each in backfilled else RunKind.SCHEDULED
        for each in hours
    }


async def test_a_live_run_of_the_same_instant_is_another_one(
    world: Any, kit: Any, past: Past
) -> None:
    world.job("a", stamped(kit), out=("at",), schedule=EACH_HOUR)
    await past.make("a", NOON)
    firing = Firing(world.jobs["a"], NOON, EACH_HOUR, HOUR)
    await Cycle([firing], world.parts()).run()
    assert {row.key for row in world.store.rows.values()} == {
        RunKey(PluginId("a"), NOON),
        RunKey(PluginId("a"), NOON, kind=RunKind.BACKFILL),
    }
