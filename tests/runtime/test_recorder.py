"""Nothing is visible before it is written, and a full disk loses nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from optifire.core.errors import ContractError, NeverWrittenError, ReplayError, StoreError
from optifire.core.ledger import Batch, ContextValue, EventRow, Statement, TableWrites, new_run
from optifire.core.run import Failure, RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.recorder import LiveRecorder, ReplayRecorder


def batch_of(kit: Any, name: str = "a") -> Batch:
    """Give a success that leaves a value, an event and a table write."""
    row = new_run(RunKey(PluginId(name), kit.noon), RunStatus.SUCCEEDED)
    return Batch(
        runs=[row],
        values=[
            ContextValue(f"{name}.x", PluginId(name), "x", row.run_id, kit.noon, 0, kit.enc(1))
        ],
        events=[EventRow(row.run_id, 0, kit.noon, 0, "e", name, kit.enc(None))],
        writes=[
            TableWrites(row.run_id, PluginId(name), kit.noon, (Statement("INSERT", kit.enc([])),))
        ],
    )


async def test_a_value_is_visible_only_after_its_commit(world: Any, kit: Any) -> None:
    recorder = LiveRecorder(world.store, world.board, world.clock)
    writing = asyncio.create_task(recorder.write(batch_of(kit)))
    before = await recorder.view()
    await writing
    after = await recorder.view()
    assert before.value("a.x") is None
    assert kit.dec(after.value("a.x").value) == 1  # type: ignore[union-attr]  # it is there
    assert list(before.names()) == []


async def test_an_empty_batch_makes_no_commit(world: Any) -> None:
    assert await LiveRecorder(world.store, world.board, world.clock).write(Batch()) == ()
    assert world.store.batches == []


async def test_a_full_disk_delays_the_record_and_is_told_while_it_lasts(
    world: Any, kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage = kit.Stage(world)
    world.store.full = True
    writing = asyncio.create_task(stage.recorder.write(batch_of(kit)))
    await stage.timer.advance(kit.start + timedelta(seconds=3))
    assert str(stage.recorder.trouble) == "disk full"
    assert world.board.get("a.x") is None
    assert stage.heard == []
    world.store.full = False
    await stage.timer.advance(kit.start + timedelta(seconds=4))
    assert await writing == []
    assert stage.recorder.trouble is None
    assert world.board.get("a.x") is not None
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_what_is_written_ahead_is_not_tried_again(world: Any, kit: Any) -> None:
    recorder = LiveRecorder(world.store, world.board, world.clock)
    world.store.full = True
    with pytest.raises(StoreError):
        await recorder.intend(batch_of(kit))
    assert world.board.get("a.x") is None


async def test_a_rejected_run_leaves_nothing_and_listeners_see_it_as_it_is_stored(
    world: Any, kit: Any
) -> None:
    stage = kit.Stage(world)
    world.store.reject["a"] = Failure("ContractError", "no such table")
    batch = batch_of(kit, "a")
    batch.extend(batch_of(kit, "b"))
    (rejected,) = await stage.recorder.write(batch)
    assert rejected.run_id == "a@20181123T120000Z"
    (heard,) = stage.heard
    assert [(row.key.plugin_id, row.status) for row in heard.runs] == [
        ("a", RunStatus.FAILED),
        ("b", RunStatus.SUCCEEDED),
    ]
    assert str(heard.runs[0].reason) == "error: ContractError"
    for left in (heard.values, heard.events, heard.writes):
        assert {one.run_id for one in left} == {"b@20181123T120000Z"}
    assert world.board.get("a.x") is None
    assert world.board.get("b.x") is not None


async def test_a_replay_holds_everything_until_the_end_of_its_cycle(world: Any, kit: Any) -> None:
    recorder = ReplayRecorder(world.store, world.board, lambda: Batch(meta={"tick": "1"}))
    await recorder.write(batch_of(kit, "a"))
    await recorder.intend(batch_of(kit, "b"))
    await recorder.end_cycle()
    assert world.store.held == [True, True, False]
    assert world.store.batches[-1].meta == {"tick": "1"}
    assert world.board.get("b.x") is not None


@pytest.mark.parametrize("step", ["write", "intend", "end_cycle"])
async def test_a_replay_stops_when_its_ledger_refuses(world: Any, kit: Any, step: str) -> None:
    recorder = ReplayRecorder(world.store, world.board)
    world.store.full = True
    arguments = () if step == "end_cycle" else (batch_of(kit),)
    with pytest.raises(ReplayError, match="disk full"):
        await getattr(recorder, step)(*arguments)


async def test_the_first_commit_of_a_cycle_may_fail_and_every_run_still_ends(
    world: Any, kit: Any
) -> None:
    world.job("a", schedule="interval_1h")
    world.job("b", needs=({"after": "a"},), schedule="interval_1h")
    world.store.refusing = 3
    stage = kit.Stage(world)
    async with stage.running(grace=5) as timer:
        await timer.advance(kit.noon + timedelta(seconds=10))
    rows = {row.key.plugin_id: row for row in world.store.rows.values()}
    assert str(rows["a"].reason) == "store: disk full"
    assert (rows["a"].status, rows["a"].attempts, rows["a"].started_at) == (
        RunStatus.REFUSED, 0, None,
    )  # fmt: skip
    assert rows["b"].status is RunStatus.SUCCEEDED
    assert stage.crashes == []


async def test_under_a_plugins_id_stands_all_that_its_last_success_published(
    world: Any, kit: Any
) -> None:
    world.job("a", kit.outputs(x=1, y=2), out=("x", "y"))
    await world.cycle("a")
    view = await world.recorder().view()
    assert view.names() == ["a", "a.x", "a.y", "x", "y"]
    assert kit.dec(view.value("a").value) == {"x": 1, "y": 2}


async def test_a_view_without_tables_says_so(world: Any, kit: Any) -> None:
    view = replace_reader(await world.recorder().view())
    with pytest.raises(ContractError, match="no tables"):
        await view.fetch("SELECT 1", kit.enc([]), one=True, plugin_id="a")
    await view.close()


def replace_reader(view: Any) -> Any:
    return type(view)(view.values, None)


async def test_what_can_never_be_written_is_an_error_at_once(
    world: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Batch) -> None:
        raise NeverWrittenError("start 2 has taken over")

    monkeypatch.setattr(world.store, "commit", refuse)
    recorder = LiveRecorder(world.store, world.board, world.clock)
    with pytest.raises(NeverWrittenError, match="taken over"):
        await recorder.write(batch_of(kit))
    assert recorder.trouble is None
