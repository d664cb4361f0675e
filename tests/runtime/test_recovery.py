"""What becomes of runs that were in flight when the service ended."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from optifire.core.job import Effect, Misfire
from optifire.core.ledger import EventRow, Recovered, RunRow, new_run
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import PluginId, RunId
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.recovery import Recovery, recover

MINUTE = timedelta(minutes=1)
RUNNING, DUE = RunStatus.RUNNING, RunStatus.DUE


def row_of(
    kit: Any,
    name: str,
    status: RunStatus,
    *,
    trigger: str = "interval_1h",
    turn: int = 0,
    kind: RunKind = RunKind.SCHEDULED,
) -> RunRow:
    row = new_run(RunKey(PluginId(name), kit.noon, turn, kind), status, trigger)
    if status is RUNNING:
        row.attempts, row.started_at, row.worker = 1, kit.noon, "fake"
    return row


def recovered(*rows: RunRow, events: tuple[EventRow, ...] = ()) -> Recovered:
    return Recovered(2, False, (), rows, {}, events)  # noqa: FBT003 - an unclean end


def ends(found: Recovery) -> dict[RunId, str]:
    """Give what each run ends as; ``again`` for those that are taken up."""
    told = {row.run_id: f"{row.status}({row.reason})" for row in found.batch.runs}
    return told | {one.key.run_id: "again" for one in found.firings}


LOST = "lost(lost: the service ended while it ran)"
LATE = "missed(late: found after grace)"
OVERTAKEN = "coalesced(late: a later occurrence runs in its place)"


@pytest.mark.parametrize(
    ("status", "effect", "minutes", "misfire", "expected"),
    [
        # in grace (half an hour) everything goes on, but what must never happen twice
        (RUNNING, Effect.PURE, 29, None, "again"),
        (RUNNING, Effect.IDEMPOTENT, 29, None, "again"),
        (RUNNING, Effect.EFFECTFUL, 1, None, LOST),
        (DUE, Effect.PURE, 29, None, "again"),
        (DUE, Effect.EFFECTFUL, 29, None, "again"),
        # late, by the misfire rule: the latest still runs while nothing newer is due
        (DUE, Effect.PURE, 31, None, "again"),
        (DUE, Effect.PURE, 61, None, OVERTAKEN),
        (DUE, Effect.PURE, 31, Misfire.SKIP, LATE),
        (DUE, Effect.PURE, 600, Misfire.ALL, "again"),
        (RUNNING, Effect.PURE, 31, Misfire.SKIP, LOST),
        (RUNNING, Effect.PURE, 61, None, LOST),
        (RUNNING, Effect.EFFECTFUL, 600, Misfire.ALL, LOST),
    ],
)
def test_a_run_in_flight_goes_on_or_ends_with_a_reason(
    world: Any,
    kit: Any,
    status: RunStatus,
    effect: Effect,
    minutes: int,
    misfire: Misfire | None,
    expected: str,
) -> None:
    world.job("a", schedule="interval_1h", effect=effect, misfire=misfire)
    row = row_of(kit, "a", status)
    found = recover(recovered(row), world.jobs, kit.noon + minutes * MINUTE)
    assert ends(found) == {"a@20181123T120000Z": expected}
    lost = [(one.number, one.status) for one in found.batch.attempts]
    assert lost == ([(1, RunStatus.LOST)] if status is RUNNING else [])
    if expected == "again":
        assert found.firings[0].row is row
        assert row.status is DUE


@pytest.mark.parametrize(
    ("status", "expected"),
    [(RUNNING, LOST), (DUE, "skipped(disabled: switched off while it waited)")],
)
def test_a_run_of_a_job_that_is_off_ends(
    world: Any, kit: Any, status: RunStatus, expected: str
) -> None:
    found = recover(recovered(row_of(kit, "a", status)), world.jobs, kit.noon)
    assert ends(found) == {"a@20181123T120000Z": expected}
    assert found.batch.runs[0].finished_at == kit.noon


@pytest.mark.parametrize(("minutes", "expected"), [(2, "again"), (3, LATE)])
@pytest.mark.parametrize(
    ("turn", "kind"), [(0, RunKind.MANUAL), (1, RunKind.SCHEDULED)], ids=["manual", "event"]
)
def test_a_run_without_an_instant_of_its_own_has_two_minutes(
    world: Any, kit: Any, minutes: int, expected: str, turn: int, kind: RunKind
) -> None:
    world.job("a", schedule="interval_1h")
    row = row_of(kit, "a", DUE, turn=turn, kind=kind)
    found = recover(recovered(row), world.jobs, kit.noon + minutes * MINUTE)
    assert ends(found) == {row.run_id: expected}


def test_what_was_pulled_in_goes_on_with_the_run_that_needs_it(world: Any, kit: Any) -> None:
    for name in ("a", "b", "d"):
        world.job(name)
    world.job("c", schedule="interval_1h")
    rows = [
        row_of(kit, "a", DUE, trigger="pull: b"),
        row_of(kit, "b", RUNNING, trigger="pull: c"),
        row_of(kit, "c", DUE),
        row_of(kit, "d", DUE, trigger="pull: gone"),
    ]
    found = recover(recovered(*rows), world.jobs, kit.noon + 20 * MINUTE)
    assert ends(found) == {
        "a@20181123T120000Z": "again",
        "b@20181123T120000Z": "again",
        "c@20181123T120000Z": "again",
        "d@20181123T120000Z": LATE,
    }


async def test_what_is_taken_up_runs_once_and_keeps_its_key_and_attempts(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1), out=("x",), schedule="interval_1h")
    world.job("b", needs=("x",), schedule="interval_1h")
    rows = [row_of(kit, "a", RUNNING), row_of(kit, "b", DUE)]
    world.store.rows.update({row.run_id: row for row in rows})
    start = kit.noon + MINUTE
    since = {PluginId(name): kit.noon for name in "ab"}
    stage = kit.Stage(world, start=start, since=since)
    found = recover(recovered(*rows), world.jobs, start)
    await stage.recorder.write(found.batch)
    stage.engine.take_up(found.firings, ())
    async with stage.running() as timer:
        await timer.advance(start + MINUTE)
    assert world.worker.order == [("start", "a"), ("end", "a"), ("start", "b"), ("end", "b")]
    assert world.row("a").attempts == 2
    assert world.row("b").attempts == 1
    assert world.status("b") == "succeeded"


async def test_events_that_nobody_answered_start_their_listeners_once(world: Any, kit: Any) -> None:
    world.job("b", listens=frozenset({"heard"}))
    events = tuple(
        EventRow(
            RunId("a@20181123T120000Z"), seq, kit.noon, 0, "heard", "a", kit.enc(seq), taken=False
        )
        for seq in (1, 0)
    )
    stage = kit.Stage(world, start=kit.noon + MINUTE)
    stage.engine.take_up((), events)
    async with stage.running() as timer:
        await timer.settle()
    (request,) = world.worker.requests
    assert request.run_id == "b@20181123T120000Z.t1"
    assert [kit.dec(event.data) for event in request.events] == [0, 1]
    taken = [one for batch in world.store.batches for one in batch.events_taken]
    assert taken == [(kit.noon, 0)]


def test_a_run_that_events_started_is_given_them_again(world: Any, kit: Any) -> None:
    job = world.job("b", listens=frozenset({"heard"}))
    events = tuple(
        EventRow(RunId(f"{by}@20181123T120000Z"), 0, kit.noon, turn, name, by, kit.enc(by))
        for by, turn, name in (
            ("c", 0, "heard"),
            ("a", 0, "heard"),
            ("a", 0, "x"),
            ("a", 1, "heard"),
        )
    )
    row = row_of(kit, "b", RUNNING, trigger="event: heard", turn=1)
    found = recover(
        Recovered(2, False, (), (row,), {}, (), events),  # noqa: FBT003 - an unclean end
        {job.plugin_id: job},
        kit.noon + MINUTE,
    )
    (firing,) = found.firings
    assert [kit.dec(event.data) for event in firing.events] == ["a", "c"]


async def test_a_service_that_dies_at_any_commit_runs_everything_to_one_end(kit: Any) -> None:
    """Kill the engine after each commit of a small day; start again; compare with a whole one."""
    whole: int | None = None
    for cut in range(1, 40):
        world = kit.World()
        often: dict[str, Any] = {"schedule": "interval_1m", "misfire": Misfire.ALL}
        world.job("a", kit.outputs(x=1), out=("x",), **often)
        world.job("b", kit.leaves(events=["e"]), needs=("x",), **often)
        world.job("c", listens=frozenset({"e"}))
        stage = kit.Stage(world)
        task = asyncio.create_task(stage.engine.run())
        await stage.timer.settle()
        commit = world.store.commit

        async def commit_until(batch: Any, *, hold: bool = False, w: Any = world, c: Any = commit,
                               n: int = cut, t: Any = task) -> Any:  # fmt: skip
            answer = await c(batch, hold=hold)
            if len(w.store.batches) == n:
                t.cancel()
                await asyncio.Event().wait()
            return answer

        world.store.commit = commit_until
        await stage.timer.advance(kit.noon + MINUTE)
        died = task.cancelled()
        if not died:
            stage.engine.stop()
            await task
            whole = whole or cut
        await start_again(kit, world, commit)
        statuses = {run_id: row.status for run_id, row in world.store.rows.items()}
        assert set(statuses.values()) == {RunStatus.SUCCEEDED}, (cut, statuses)
        assert {f"{n}@20181123T120{m}00Z" for n in "ab" for m in (0, 1)} <= set(statuses)
        if not died:
            break
    assert whole is not None
    assert whole > 10


async def start_again(kit: Any, world: Any, commit: Any) -> None:
    """Open the ledger as it is and let the engine take up what is open."""
    world.store.commit = commit
    rows = world.store.rows.values()
    unfinished = [replace(row) for row in rows if row.status in {RUNNING, DUE}]
    world.board = Blackboard()
    for batch in world.store.batches:
        world.board.apply(batch.values)
    cursors: dict[PluginId, Any] = {}
    for row in world.store.rows.values():
        if row.key.turn == 0:
            held = cursors.get(row.key.plugin_id, row.key.due)
            cursors[row.key.plugin_id] = max(held, row.key.due)
    events = [event for batch in world.store.batches for event in batch.events if not event.taken]
    taken = {one for batch in world.store.batches for one in batch.events_taken}
    waiting = tuple(event for event in events if (event.due, event.turn) not in taken)
    start = kit.noon + MINUTE + timedelta(seconds=5)
    stage = kit.Stage(world, start=start, since={"a": kit.start, "b": kit.start} | cursors)
    found = recover(recovered(*unfinished, events=waiting), world.jobs, start)
    await stage.recorder.write(found.batch)
    stage.engine.take_up(found.firings, waiting)
    async with stage.running() as timer:
        await timer.settle()
    assert stage.crashes == []
