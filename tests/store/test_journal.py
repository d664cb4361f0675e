"""The journal: everything that became durable, once, in its order, without holes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, EventRow, NoteRow, RunRow, Statement, TableWrites, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.copying import note_restored
from optifire.store.journal import JournalEntry, JournalReader, JournalSpan
from optifire.store.journalling import Journal
from optifire.store.rows import ID, STATUS
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(minute: int, status: RunStatus = RunStatus.SUCCEEDED, plugin: str = "a") -> RunRow:
    return new_run(RunKey(PluginId(plugin), T + minute * MINUTE), status)


async def read(path: Path, after: int = 0) -> list[JournalEntry]:
    async with JournalReader(path) as journal:
        return list(await journal.page(after, 1000))


async def span(path: Path) -> JournalSpan:
    async with JournalReader(path) as journal:
        return await journal.span()


def said(entries: list[JournalEntry]) -> list[tuple[int, str]]:
    """Give place and what is there, in short."""
    return [(each.seq, short(each)) for each in entries]


def short(entry: JournalEntry) -> str:
    if entry.note is not None:
        return entry.note.subject
    assert entry.run is not None
    return f"{entry.run.key.plugin_id} {entry.event or entry.status}"


async def test_starts_ends_events_and_notes_have_their_places_in_the_order_of_commits(
    store: SqliteStore, path: Path
) -> None:
    first, second = run(0, RunStatus.RUNNING), run(0, RunStatus.DUE, "b")
    await store.commit(Batch(runs=[first, second]))
    first.move(RunStatus.SUCCEEDED)
    second.move(RunStatus.RUNNING)
    event = EventRow(first.run_id, 0, T, 0, "up", "a", Encoded(b"\xc0"))
    notes = [NoteRow(T, "paused", "x", ""), NoteRow(T, "resumed", "y", "")]
    await store.commit(Batch(runs=[first, second], events=[event], notes=notes))
    assert said(await read(path)) == [
        (1, "a running"),
        (2, "a succeeded"),
        (3, "b running"),
        (4, "a up"),
        (5, "x"),
        (6, "y"),
    ]
    assert said(await read(path, after=4)) == [(5, "x"), (6, "y")]
    found = await span(path)
    assert (found.first, found.last, len(found.name)) == (1, 6, 8)


async def test_a_run_whose_writes_were_refused_is_told_as_the_failure_that_it_is(
    store: SqliteStore, path: Path
) -> None:
    row = run(0)
    bad = TableWrites(row.run_id, PluginId("a"), T, (Statement("nonsense", Encoded(b"\x90")),))
    event = EventRow(row.run_id, 0, T, 0, "up", "a", Encoded(b"\xc0"))
    await store.commit(Batch(runs=[row], writes=[bad], events=[event]))
    assert said(await read(path)) == [(1, "a failed")]


async def test_what_was_rolled_back_leaves_no_hole(store: SqliteStore, path: Path) -> None:
    await store.commit(Batch(runs=[run(0)]))
    with pytest.raises(StoreError):
        await store.commit(Batch(runs=[run(1), run(0)]))
    await store.commit(Batch(runs=[run(2)], notes=[NoteRow(T, "paused", "x", "")]))
    assert [each.seq for each in await read(path)] == [1, 2, 3]


async def test_a_start_after_another_goes_on_where_that_ended(
    make_store: Callable[[], SqliteStore], path: Path
) -> None:
    for minute in range(3):
        store = make_store()
        await store.open()
        await store.commit(Batch(runs=[run(minute)]))
        await store.close()
    assert [each.seq for each in await read(path)] == [1, 2, 3]


async def test_what_retention_has_removed_keeps_its_place(store: SqliteStore, path: Path) -> None:
    gone, event = run(0), EventRow(run(0).run_id, 0, T, 0, "up", "a", Encoded(b"\xc0"))
    await store.commit(Batch(runs=[gone, run(1)], events=[event]))
    await store.commit(Batch(pruned=[gone.run_id]))
    found = await read(path)
    assert [(each.seq, each.run is None) for each in found] == [(1, True), (2, False), (3, True)]


async def test_a_ledger_that_was_taken_back_has_a_journal_of_another_name(
    make_store: Callable[[], SqliteStore], path: Path
) -> None:
    store = make_store()
    await store.open()
    await store.commit(Batch(runs=[run(0)]))
    await store.close()
    before = await span(path)
    note_restored(path, T, "from a backup")
    after = await span(path)
    assert before.name != after.name
    assert (before.first, before.last) == (after.first, after.last)


async def test_a_store_may_do_without(path: Path) -> None:
    store = SqliteStore(path, clock=lambda: T, journal=False)
    await store.open()
    await store.commit(Batch(runs=[run(0)]))
    await store.close()
    found = await span(path)
    assert (found.first, found.last) == (1, 0)


@pytest.fixture(scope="module")
def bare() -> Iterator[sqlite3.Connection]:
    """Give an empty ledger in memory."""
    steps = files("optifire.store").joinpath("migrations")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for step in ("0001_ledger.sql", "0003_journal.sql"):
            connection.executescript(steps.joinpath(step).read_text(encoding="utf-8"))
        yield connection


@given(
    sizes=st.lists(st.integers(0, 40), max_size=30),
    kept=st.integers(1, 50),
    stride=st.integers(1, 20),
)
def test_the_newest_stay_without_a_hole_however_much_comes_at_once(
    bare: sqlite3.Connection, sizes: list[int], kept: int, stride: int
) -> None:
    bare.execute("DELETE FROM journal")
    journal = Journal(bare, kept=kept, stride=stride)
    journal.reload()
    for size in sizes:
        row = [None] * (ID + 1)
        row[STATUS], row[ID] = "succeeded", 1  # type: ignore[call-overload]
        journal.write([tuple(row)] * size, [], 0)
    written = sum(sizes)
    found = [seq for (seq,) in bare.execute("SELECT seq FROM journal ORDER BY seq")]
    assert found == list(range(written - len(found) + 1, written + 1))
    assert min(kept, written) <= len(found) <= kept + max(stride, *sizes, 1)
