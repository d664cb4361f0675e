# ruff: noqa: ASYNC240 - tests look at the files between the steps
"""Disk full, read-only, damaged, locked: said clearly, nothing acknowledged lost."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.errors import LockedError, StoreError, is_retryable
from optifire.core.ledger import Batch, NoteRow, RunFilter, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store import migrate
from optifire.store.migrate import Migration
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)
Make = Callable[..., SqliteStore]


def run_at(number: int, size: int = 0) -> RunRow:
    row = new_run(
        RunKey(PluginId("fe_garch"), NOW + timedelta(minutes=number)), RunStatus.SUCCEEDED
    )
    if size:
        row.outputs = {"x": Encoded(b"\xc5" + size.to_bytes(2, "big") + b"y" * size)}
    return row


async def stored(path: Path) -> list[str]:
    async with LedgerReader(path) as reader:
        return sorted([run.run_id for run in await reader.runs(RunFilter(limit=100_000))])


async def test_files_and_folders_are_the_owners_alone(store: SqliteStore, path: Path) -> None:
    await store.commit(Batch(runs=[run_at(0, 60_000)], notes=[NoteRow(NOW, "warning", "x", "y")]))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for extra in ("-wal", "-shm", ".lock"):
        assert path.with_name(path.name + extra).stat().st_mode & 0o777 == 0o600


async def test_a_second_service_is_refused_naming_the_holder(
    store: SqliteStore, make_store: Make
) -> None:
    second = make_store()
    with pytest.raises(LockedError, match=r"held by process \d+ on .*, since 2018-11-23T18:00:00Z"):
        await second.open()
    await store.commit(Batch(runs=[run_at(0)]))
    await store.close()
    found = await second.open()
    assert found.start == 2
    await second.close()


async def test_a_write_with_an_older_start_number_is_refused(
    store: SqliteStore, path: Path
) -> None:
    await store.commit(Batch(runs=[run_at(0)]))
    other = sqlite3.connect(path)
    other.execute("INSERT INTO starts (number, begun_us, pid, host) VALUES (2, 0, 1, 'h')")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="start 2 of the service has taken over; this is start 1"):
        await store.commit(Batch(runs=[run_at(1)]))
    assert await stored(path) == [run_at(0).run_id]


async def test_a_full_disk_loses_nothing_and_commits_work_again_when_space_returns(
    store: SqliteStore, path: Path
) -> None:
    await store.commit(Batch(runs=[run_at(0)]))
    pages = await limit_pages(store, 0)
    await limit_pages(store, pages + 8)
    acknowledged = [run_at(0).run_id]

    async def fill() -> None:
        for number in range(1, 100):
            row = run_at(number, 20_000)
            await store.commit(Batch(runs=[row]))
            acknowledged.append(row.run_id)

    with pytest.raises(StoreError, match="the disk is full") as caught:
        await fill()
    assert str(path) in str(caught.value)
    assert is_retryable(caught.value)
    assert await stored(path) == sorted(acknowledged)
    await limit_pages(store, 1_000_000)
    refused = run_at(len(acknowledged), 20_000)
    await store.commit(Batch(runs=[refused]))
    assert await stored(path) == sorted([*acknowledged, refused.run_id])


async def limit_pages(store: SqliteStore, pages: int) -> int:
    """Set the most pages the file may have on the writer's connection; gives how many it has."""

    def work() -> int:
        connection = store._connection  # noqa: SLF001 - the limit is one of the connection
        assert connection is not None
        connection.execute(f"PRAGMA max_page_count = {pages}")
        found: int = connection.execute("PRAGMA page_count").fetchone()[0]
        return found

    writer = store._writer  # noqa: SLF001
    assert writer is not None
    found = await writer.call(work)
    assert isinstance(found, int)
    return found


async def test_a_read_only_file_says_so_with_the_remedy(store: SqliteStore, path: Path) -> None:
    await store.commit(Batch(runs=[run_at(0)]))
    await query_only(store, on=True)
    with pytest.raises(StoreError, match="read-only") as caught:
        await store.commit(Batch(runs=[run_at(1)]))
    assert "writable" in caught.value.remedy
    await query_only(store, on=False)
    await store.commit(Batch(runs=[run_at(1)]))
    assert len(await stored(path)) == 2


async def query_only(store: SqliteStore, *, on: bool) -> None:
    """Make SQLite answer every write with SQLITE_READONLY: as root, file modes would not."""

    def work() -> None:
        connection = store._connection  # noqa: SLF001 - the switch is one of the connection
        assert connection is not None
        connection.execute(f"PRAGMA query_only = {int(on)}")

    writer = store._writer  # noqa: SLF001
    assert writer is not None
    await writer.call(work)


async def test_a_folder_that_cannot_be_made_says_so(make_store: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file"):
        await make_store(tmp_path / "file" / "paper.db").open()


async def test_a_lock_of_another_program_is_waited_for_then_reported(
    make_store: Make, path: Path
) -> None:
    store = make_store(busy_timeout=0.05)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another process") as caught:
        await store.commit(Batch(runs=[run_at(0)]))
    assert is_retryable(caught.value)
    other.execute("COMMIT")
    other.close()
    await store.commit(Batch(runs=[run_at(0)]))
    assert await stored(path) == [run_at(0).run_id]
    await store.close()


async def test_a_file_that_is_no_database_says_so(make_store: Make, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is a letter, not a ledger" * 200)
    with pytest.raises(StoreError, match="not a SQLite database"):
        await make_store().open()


async def test_another_programs_database_is_left_alone(make_store: Make, path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="not a ledger of OptiFIRE"):
        await make_store().open()

    async def read() -> None:
        async with LedgerReader(path):
            pass

    with pytest.raises(StoreError, match="not a ledger of OptiFIRE"):
        await read()


async def test_a_ledger_cut_short_is_found_after_an_unclean_end(
    make_store: Make, path: Path
) -> None:
    store = make_store()
    await store.open()
    for number in range(20):
        await store.commit(Batch(runs=[run_at(number, 20_000)]))
    await store.close(clean=False)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(StoreError, match="damaged") as caught:
        await make_store().open()
    assert "backup" in caught.value.remedy
    assert str(path) in str(caught.value)


async def test_opening_fails_without_keeping_the_lock(make_store: Make, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 4096)
    store = make_store()
    for _ in range(2):
        with pytest.raises(StoreError, match="not a SQLite database"):
            await store.open()
    path.unlink()
    await store.open()
    await store.close()


async def test_a_newer_ledger_is_refused_naming_both_versions(make_store: Make, path: Path) -> None:
    store = make_store()
    await store.open()
    await store.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    newest = migrate.migrations()[-1].version
    for attempt in (make_store().open, LedgerReader(path).__aenter__):
        with pytest.raises(StoreError, match=rf"version 99.* up to {newest}"):
            await attempt()


def test_an_older_ledger_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    first = Migration(1, "CREATE TABLE a (x); INSERT INTO a VALUES (1);")
    second = Migration(2, "ALTER TABLE a ADD COLUMN y;")
    connection = sqlite3.connect(path, isolation_level=None)
    assert migrate.migrate(connection, path, [first]) == 0
    assert not list(tmp_path.glob("*.bak*"))
    assert migrate.migrate(connection, path, [first, second]) == 1
    assert migrate.migrate(connection, path, [first, second]) == 2
    connection.close()
    copy = sqlite3.connect(tmp_path / "old.db.bak-1")
    assert copy.execute("SELECT * FROM a").fetchall() == [(1,)]
    assert (tmp_path / "old.db.bak-1").stat().st_mode & 0o777 == 0o600
    copy.close()


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    first = Migration(1, "CREATE TABLE a (x);")
    broken = Migration(2, "ALTER TABLE a ADD COLUMN y; INSERT INTO nowhere VALUES (1);")
    connection = sqlite3.connect(path, isolation_level=None)
    migrate.migrate(connection, path, [first])
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate.migrate(connection, path, [first, broken])
    assert migrate.version_of(connection, path) == 1
    assert [name for (_, name, *_) in connection.execute("PRAGMA table_info(a)")] == ["x"]
    connection.close()


async def test_reading_where_there_is_no_ledger_says_so(path: Path) -> None:
    with pytest.raises(StoreError, match="no ledger here"):
        await stored(path)


async def test_a_caller_that_went_away_does_not_undo_its_commit(
    store: SqliteStore, path: Path
) -> None:
    task = asyncio.ensure_future(store.commit(Batch(runs=[run_at(0)])))
    await asyncio.wait([task], timeout=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.commit(Batch(runs=[run_at(1)]))
    assert len(await stored(path)) == 2


@pytest.mark.parametrize("kind", ["folder", "text"])
async def test_what_cannot_be_a_ledger_gets_no_lock_beside_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.db"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("these are notes, not rows", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be a ledger"):
        await SqliteStore(path, clock=lambda: datetime(2018, 11, 23, tzinfo=UTC)).open()
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]
