"""Large values: files that are there as long as a row speaks of them."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, ContextValue, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
ID = PluginId("fe_garch")


def big(letter: bytes) -> Encoded:
    return Encoded(msgspec.msgpack.encode(letter * 70_000))


def value(content: Encoded, minutes: int = 0, name: str = "frame") -> ContextValue:
    key = RunKey(ID, T + timedelta(minutes=minutes))
    return ContextValue(name, ID, "frame", key.run_id, key.due, 0, content)


def blobs(path: Path) -> set[str]:
    folder = path.parent / "blobs" / path.stem
    return {entry.name for entry in folder.iterdir()} if folder.exists() else set()


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_a_file_goes_with_the_last_row_that_speaks_of_it(
    store: SqliteStore, path: Path
) -> None:
    one, two = big(b"1"), big(b"2")
    await store.commit(Batch(values=[value(one), value(one, name="again")]))
    assert blobs(path) == {name_of(one)}
    await store.commit(Batch(values=[value(two, 1)]))
    await store.commit(Batch())  # tidying up follows the answer, before the next commit
    assert blobs(path) == {name_of(one), name_of(two)}
    await store.commit(Batch(values=[value(Encoded(b"\x01"), 2, "again")]))
    await store.commit(Batch())
    assert blobs(path) == {name_of(two)}


async def test_a_late_value_that_was_not_stored_leaves_no_file(
    store: SqliteStore, path: Path
) -> None:
    await store.commit(Batch(values=[value(Encoded(b"\x01"), 5)]))
    await store.commit(Batch(values=[value(big(b"x"))]))
    await store.close()
    assert blobs(path) == set()


async def test_files_of_a_commit_that_did_not_happen_are_swept_at_the_next_start(
    store: SqliteStore, path: Path
) -> None:
    row = new_run(RunKey(ID, T), RunStatus.SUCCEEDED)
    await store.commit(Batch(runs=[row]))
    changed = replace(row, status=RunStatus.FAILED, outputs={"x": big(b"x")})
    with pytest.raises(StoreError, match="has ended"):
        await store.commit(Batch(runs=[changed], values=[value(big(b"k"))]))
    await store.close()
    await store.open()
    assert blobs(path) == set()


async def test_files_are_the_owners_alone_and_named_by_content(
    store: SqliteStore, path: Path
) -> None:
    row = new_run(RunKey(ID, T), RunStatus.SUCCEEDED)
    row.outputs = {"x": big(b"x")}
    await store.commit(Batch(runs=[row]))
    (file,) = (path.parent / "blobs" / path.stem).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.name == name_of(file.read_bytes())


async def test_a_missing_file_is_an_error_that_names_it(store: SqliteStore, path: Path) -> None:
    content = big(b"x")
    await store.commit(Batch(values=[value(content)]))
    (path.parent / "blobs" / path.stem / name_of(content)).unlink()
    async with LedgerReader(path) as reader:
        with pytest.raises(StoreError, match=name_of(content)):
            await reader.context()
