"""Cycles as a ledger knows them: how many runs of each have which status."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import PluginId
from optifire.store.cycles import Cycle
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def run(plugin: str, status: RunStatus, minute: int = 0, turn: int = 0, seconds: int = 0) -> RunRow:
    due = T + timedelta(minutes=minute)
    row = new_run(RunKey(PluginId(plugin), due, turn), status)
    if status in {RunStatus.RUNNING, RunStatus.SUCCEEDED}:
        row.started_at = due + seconds * SECOND
    if status is RunStatus.SUCCEEDED:
        row.finished_at = due + (seconds + 1) * SECOND
    return row


async def listed(path: Path, rows: list[RunRow], **asked: object) -> list[Cycle]:
    if rows:
        store = SqliteStore(path, clock=lambda: T)
        await store.open()
        await store.commit(Batch(runs=rows))
        await store.close()
    async with LedgerReader(path) as ledger:
        return list(await ledger.cycles(**asked))  # type: ignore[arg-type]


async def test_a_cycle_counts_its_runs_and_ends_with_the_last(tmp_path: Path) -> None:
    rows = [
        run("a", RunStatus.SUCCEEDED),
        run("b", RunStatus.SUCCEEDED, seconds=2),
        run("c", RunStatus.SKIPPED),
        run("d", RunStatus.SUCCEEDED, turn=1, seconds=4),
        run("a", RunStatus.SUCCEEDED, minute=1),
        run("b", RunStatus.RUNNING, minute=1, seconds=1),
        new_run(RunKey(PluginId("a"), T + SECOND, 0, RunKind.MANUAL), RunStatus.SUCCEEDED),
    ]
    later = T + timedelta(minutes=1)
    assert await listed(tmp_path / "l.db", rows, limit=10) == [
        Cycle(later, 0, {RunStatus.RUNNING: 1, RunStatus.SUCCEEDED: 1}, later, None),
        Cycle(T, 1, {RunStatus.SUCCEEDED: 1}, T + 4 * SECOND, T + 5 * SECOND),
        Cycle(T, 0, {RunStatus.SKIPPED: 1, RunStatus.SUCCEEDED: 2}, T, T + 3 * SECOND),
    ]


async def test_a_list_of_cycles_goes_on_behind_the_last_of_a_page(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    rows = [run(p, RunStatus.SUCCEEDED, m, t) for p in "ab" for m in (0, 1) for t in (0, 1)]
    first = await listed(path, rows, limit=3)
    assert [(each.due, each.turn) for each in first] == [
        (T + timedelta(minutes=1), 1),
        (T + timedelta(minutes=1), 0),
        (T, 1),
    ]
    (last,) = await listed(path, [], limit=3, after=(first[-1].due, first[-1].turn))
    assert (last.due, last.turn, last.statuses) == (T, 0, {RunStatus.SUCCEEDED: 2})
    assert await listed(path, [], limit=3, after=(last.due, last.turn)) == []
