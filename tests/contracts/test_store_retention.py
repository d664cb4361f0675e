"""What every store must do when runs have had their time."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import pytest

from optifire.core.budget import Measured, Usage
from optifire.core.errors import NeverWrittenError
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ContextValue,
    EventRow,
    Limits,
    LogRow,
    Rollup,
    RunFilter,
    RunRow,
    new_run,
)
from optifire.core.ports import Ledger, Store
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import Encoded, PluginId, RunId

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
DAY = timedelta(days=1)
NIL = Encoded(b"\xc0")
GARCH = PluginId("fe_garch")
#: Everything before this instant, and as few as can be stay.
ALL = Limits(T + 1000 * DAY, most=100, least=1)


class Backend(Protocol):
    store: Store

    def ledger(self) -> AbstractAsyncContextManager[Ledger]: ...


def run(
    day: int, status: RunStatus = RunStatus.SUCCEEDED, plugin: str = "fe_garch", **more: object
) -> RunRow:
    made = new_run(RunKey(PluginId(plugin), T + day * DAY), status)
    made.attempts = 1
    made.usage = Usage(10.0 + day, 20.0 + day, 5.0, Measured.EXACT)
    for name, value in more.items():
        setattr(made, name, value)
    return made


async def prunable(backend: Backend, limits: Limits = ALL, most: int = 1000) -> list[RunId]:
    async with backend.ledger() as ledger:
        return list(await ledger.prunable(limits, most))


async def rollups(backend: Backend, **which: object) -> list[Rollup]:
    async with backend.ledger() as ledger:
        return list(await ledger.rollups(RunFilter(**which)))  # type: ignore[arg-type]


def ids(rows: list[RunRow]) -> list[RunId]:
    return [row.run_id for row in rows]


async def test_runs_that_are_old_may_go_and_the_newest_of_their_kind_stay(
    backend: Backend,
) -> None:
    rows = [run(day) for day in range(20)]
    await backend.store.commit(Batch(runs=rows))
    assert await prunable(backend, Limits(T + 5 * DAY, 100)) == ids(rows[:5])
    assert await prunable(backend, Limits(T + 15 * DAY, 100)) == ids(rows[:10])  # ten stay
    assert await prunable(backend, Limits(T + 5 * DAY, 100), most=2) == ids(rows[:2])
    assert await prunable(backend, Limits(T, 100)) == []


async def test_runs_beyond_the_newest_of_a_plugin_may_go(backend: Backend) -> None:
    many = [run(day) for day in range(30)]
    few = [run(day, plugin="fe_kalman") for day in range(12)]
    await backend.store.commit(Batch(runs=many + few))
    assert await prunable(backend, Limits(T - DAY, most=25)) == ids(many[:5])


async def test_the_newest_of_each_status_and_kind_stay_whatever_came_after(
    backend: Backend,
) -> None:
    failed = [run(day, RunStatus.FAILED) for day in range(3)]
    manual = new_run(RunKey(GARCH, T + 3 * DAY, 0, RunKind.MANUAL), RunStatus.SUCCEEDED)
    later = [run(day) for day in range(4, 8)]
    await backend.store.commit(Batch(runs=[*failed, manual, *later]))
    found = await prunable(backend, Limits(T + 100 * DAY, most=1, least=2))
    assert found == [failed[0].run_id, *ids(later[:2])]


async def test_what_somebody_still_needs_stays(backend: Backend) -> None:
    """Producers of the context, open runs and all of their instant, events that wait."""
    rows = [run(day) for day in range(9)]
    value = ContextValue("x", GARCH, "x", rows[1].run_id, rows[1].key.due, 0, NIL)
    waits = EventRow(rows[2].run_id, 0, rows[2].key.due, 0, "e", "fe_garch", NIL, taken=False)
    taken = EventRow(rows[3].run_id, 0, rows[3].key.due, 0, "e", "fe_garch", NIL)
    going = new_run(RunKey(PluginId("fe_kalman"), rows[4].key.due, 1), RunStatus.RUNNING)
    await backend.store.commit(Batch(runs=[*rows, going], values=[value], events=[waits, taken]))
    needed = {rows[1].run_id, rows[2].run_id, rows[4].run_id, rows[8].run_id}
    assert await prunable(backend) == [each for each in ids(rows) if each not in needed]


async def test_a_run_goes_with_all_that_hangs_on_it(backend: Backend) -> None:
    old, new = run(0, outputs={"x": NIL}), run(1)
    batch = Batch(runs=[old, new])
    batch.attempts = [AttemptRow(old.run_id, 1, RunStatus.SUCCEEDED, T, T)]
    batch.events = [EventRow(old.run_id, 0, T, 0, "e", "fe_garch", NIL)]
    batch.logs = [LogRow(old.run_id, 1, b"said")]
    await backend.store.commit(batch)
    await backend.store.commit(Batch(pruned=[old.run_id]))
    async with backend.ledger() as ledger:
        assert [row.run_id for row in await ledger.runs(RunFilter())] == [new.run_id]
        assert await ledger.run(old.run_id) is None
        assert not await ledger.attempts(old.run_id)
        assert not await ledger.events(old.run_id)
        assert not await ledger.log(old.run_id)


async def test_what_they_came_to_stays_as_one_row_a_day_and_status(backend: Backend) -> None:
    morning = run(0, key=RunKey(GARCH, T - timedelta(hours=3)))
    morning.run_id = morning.key.run_id
    rows = [morning, run(0), run(0, RunStatus.MISSED, "fe_kalman", usage=Usage(), count=7), run(1)]
    await backend.store.commit(Batch(runs=rows))
    whole = await rollups(backend)
    assert whole == [
        Rollup(GARCH, date(2018, 11, 24), RunStatus.SUCCEEDED, 1, 1, 11.0, 11.0, 21.0),
        Rollup(GARCH, date(2018, 11, 23), RunStatus.SUCCEEDED, 2, 2, 20.0, 10.0, 20.0),
        Rollup(PluginId("fe_kalman"), date(2018, 11, 23), RunStatus.MISSED, 7, 1, 0.0, None, None),
    ]
    for each in (rows[0], rows[2], rows[1]):  # whether removed or not makes no difference
        await backend.store.commit(Batch(pruned=[each.run_id]))
        assert await rollups(backend) == whole


async def test_counts_by_status_are_the_same_before_and_after(backend: Backend) -> None:
    rows = [run(day) for day in range(5)] + [run(9, RunStatus.COALESCED, count=40)]
    await backend.store.commit(Batch(runs=rows))
    await backend.store.commit(Batch(pruned=ids(rows[:3]) + ids(rows[5:])))
    async with backend.ledger() as ledger:
        assert await ledger.statuses() == {"fe_garch": {"succeeded": 5, "coalesced": 40}}


@pytest.mark.parametrize(
    ("which", "days"),
    [
        ({"plugin_id": "fe_garch"}, [3, 2, 1, 0]),
        ({"plugin_id": "fe_kalman"}, []),
        ({"status": "failed"}, [3]),
        ({"since": T + 2 * DAY}, [3, 2]),
        ({"until": T + DAY}, [1, 0]),
        ({"limit": 1}, [3]),
    ],
)
async def test_rollups_are_asked_for_by_plugin_status_and_days(
    backend: Backend, which: dict[str, object], days: list[int]
) -> None:
    rows = [run(0), run(1), run(2), run(3, RunStatus.FAILED)]
    await backend.store.commit(Batch(runs=rows))
    await backend.store.commit(Batch(pruned=ids(rows[:2])))
    found = await rollups(backend, **which)
    assert [(each.day - T.date()).days for each in found] == days


async def test_a_run_that_has_not_ended_is_never_removed(backend: Backend) -> None:
    going, other = run(0, RunStatus.RUNNING), run(1)
    await backend.store.commit(Batch(runs=[going, other]))
    with pytest.raises(NeverWrittenError, match="has not ended"):
        await backend.store.commit(Batch(pruned=[other.run_id, going.run_id]))
    async with backend.ledger() as ledger:
        assert len(await ledger.runs(RunFilter())) == 2  # nothing of the batch
    assert [each.count for each in await rollups(backend)] == [1]


async def test_a_run_that_is_gone_already_is_left_out(backend: Backend) -> None:
    row = run(0)
    await backend.store.commit(Batch(runs=[row]))
    for _ in range(2):
        await backend.store.commit(Batch(pruned=[row.run_id, RunId("no run id at all")]))
    assert [each.count for each in await rollups(backend)] == [1]


async def test_the_schedule_goes_on_from_where_it_was(backend: Backend) -> None:
    rows = [run(day) for day in range(30)]
    await backend.store.commit(Batch(runs=rows))
    await backend.store.commit(Batch(pruned=await prunable(backend)))
    await backend.store.close()
    assert (await backend.store.open()).cursors == {GARCH: rows[-1].key.due}
