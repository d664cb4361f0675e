# ruff: noqa: ASYNC240 - tests look at the files between the steps
"""A copy of a ledger shows one instant, whatever a service writes meanwhile."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.errors import StoreError, TransientError
from optifire.core.ledger import Batch, ContextValue, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.blobs import blobs_of
from optifire.store.copying import check_copy, copy_ledger
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore
from optifire.store.syncing import link_or_copy

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)
Make = Callable[..., SqliteStore]
GO_ON = threading.Event()


def row(number: int, size: int = 0) -> RunRow:
    key = RunKey(PluginId("fe_garch"), NOW + timedelta(minutes=number))
    made = new_run(key, RunStatus.SUCCEEDED)
    if size:
        made.outputs = {"x": packed(size)}
    return made


def packed(size: int, letter: bytes = b"y") -> Encoded:
    return Encoded(b"\xc6" + size.to_bytes(4, "big") + letter * size)


def value(number: int, data: Encoded) -> ContextValue:
    key = RunKey(PluginId("fe_garch"), NOW + timedelta(minutes=number))
    return ContextValue("x", key.plugin_id, "x", key.run_id, key.due, 0, data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    made.mkdir()
    return made


async def test_a_copy_has_every_row_that_was_acknowledged_and_is_whole(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    await store.commit(Batch(runs=[row(n, 20_000) for n in range(50)]))
    await store.commit(Batch(runs=[row(50, 100_000)]))
    copy_ledger(path, folder, GO_ON)
    facts = check_copy(folder / "ledger.db")
    assert (facts.counts["runs"], facts.start) == (51, 1)
    assert {file.name for file in blobs_of(folder / "ledger.db").iterdir()} == facts.blobs
    assert len(facts.blobs) == 1
    assert sorted(file.name for file in folder.iterdir()) == ["blobs", "ledger.db"]
    assert (folder / "ledger.db").stat().st_mode & 0o777 == 0o600
    last = row(50).run_id
    async with LedgerReader(folder / "ledger.db") as copied, LedgerReader(path) as live:
        assert await copied.run(last) == await live.run(last)


async def test_a_service_writes_on_and_the_copy_ends_all_the_same(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    await store.commit(Batch(runs=[row(n, 20_000) for n in range(400)]))
    copy = asyncio.create_task(asyncio.to_thread(copy_ledger, path, folder, GO_ON))
    number = 400
    while not copy.done():
        await store.commit(Batch(runs=[row(number, 20_000)]))
        number += 1
    await copy
    found = check_copy(folder / "ledger.db").counts["runs"]
    assert 400 <= found < number
    assert number > 401  # it was written meanwhile, or this shows nothing


async def test_a_large_value_that_is_replaced_meanwhile_is_in_the_copy_all_the_same(
    store: SqliteStore, path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.commit(Batch(runs=[row(0)], values=[value(0, packed(100_000, b"a"))]))
    loop, real = asyncio.get_running_loop(), link_or_copy
    replaced: list[str] = []

    async def replace() -> None:
        await store.commit(Batch(runs=[row(1)], values=[value(1, packed(100_000, b"b"))]))
        await store.commit(Batch(runs=[row(2)]))  # the file goes after the commit before this one

    def late(source: Path, target: Path) -> None:
        if not replaced:
            replaced.append(source.name)
            asyncio.run_coroutine_threadsafe(replace(), loop).result()
        real(source, target)

    monkeypatch.setattr("optifire.store.copying.link_or_copy", late)
    await asyncio.to_thread(copy_ledger, path, folder, GO_ON)
    facts = check_copy(folder / "ledger.db")
    assert {file.name for file in blobs_of(folder / "ledger.db").iterdir()} == facts.blobs
    assert facts.blobs.isdisjoint(replaced)
    assert facts.counts["runs"] == 3


async def test_a_large_value_that_is_gone_is_named(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    await store.commit(Batch(runs=[row(0, 100_000)]))
    (lost,) = blobs_of(path).iterdir()
    lost.unlink()
    with pytest.raises(StoreError, match=lost.name):
        copy_ledger(path, folder, GO_ON)


async def test_a_copy_is_stopped_between_two_pages(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    await store.commit(Batch(runs=[row(n, 20_000) for n in range(200)]))
    stop = threading.Event()
    stop.set()
    with pytest.raises(TransientError, match="stopped"):
        copy_ledger(path, folder, stop)


async def test_a_check_is_stopped_too(store: SqliteStore, path: Path, folder: Path) -> None:
    await store.commit(Batch(runs=[row(n) for n in range(20_000)]))
    copy_ledger(path, folder, GO_ON)
    stop = threading.Event()
    stop.set()
    with pytest.raises(TransientError, match="stopped"):
        check_copy(folder / "ledger.db", stop)


async def test_a_copy_that_is_damaged_is_not_called_whole(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    await store.commit(Batch(runs=[row(n, 20_000) for n in range(20)]))
    copy_ledger(path, folder, GO_ON)
    copy = folder / "ledger.db"
    with copy.open("r+b") as file:
        file.truncate(copy.stat().st_size // 2)
    with pytest.raises(StoreError, match="damaged"):
        check_copy(copy)


async def test_a_row_without_its_run_is_damage_too(
    store: SqliteStore, path: Path, folder: Path
) -> None:
    await store.commit(Batch(runs=[row(0)]))
    copy_ledger(path, folder, GO_ON)
    with closing(sqlite3.connect(folder / "ledger.db")) as other:
        other.execute("INSERT INTO logs VALUES (99, 1, x'')")
        other.commit()
    with pytest.raises(StoreError, match="a row of logs belongs to a row of runs"):
        check_copy(folder / "ledger.db")


@pytest.mark.parametrize(
    ("what", "said"),
    [(b"", "empty"), (b"a letter" * 1000, "not a SQLite database")],
)
def test_what_is_no_ledger_is_not_called_one(folder: Path, what: bytes, said: str) -> None:
    (folder / "ledger.db").write_bytes(what)
    with pytest.raises(StoreError, match=said):
        check_copy(folder / "ledger.db")


async def test_a_newer_ledger_is_refused_naming_both_versions(
    make_store: Make, path: Path, folder: Path
) -> None:
    store = make_store()
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"version 99.* up to \d+"):
        copy_ledger(path, folder, GO_ON)
