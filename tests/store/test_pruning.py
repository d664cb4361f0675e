# ruff: noqa: ASYNC240 - tests look at the files between the steps
"""Removing runs from a file: their large values go too, and the file stops growing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, EventRow, Limits, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.blobs import BlobFiles, blobs_of
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)
Make = Callable[..., SqliteStore]


def large(letter: bytes) -> Encoded:
    return Encoded(b"\xc6" + (100_000).to_bytes(4, "big") + letter * 100_000)


def row(number: int, letter: bytes = b"") -> RunRow:
    key = RunKey(PluginId("fe_garch"), NOW + timedelta(minutes=number))
    made = new_run(key, RunStatus.SUCCEEDED)
    if letter:
        made.outputs = {"x": large(letter)}
    return made


def values(path: Path) -> int:
    return len(list(blobs_of(path).iterdir()))


async def settled(store: SqliteStore) -> None:
    """Wait until the writer has tidied up after the commits before."""
    assert store._writer is not None  # noqa: SLF001 - it does that on its own thread
    await store._writer.call(lambda: None)  # noqa: SLF001


async def test_a_large_value_goes_with_the_last_row_that_speaks_of_it(
    store: SqliteStore, path: Path
) -> None:
    event = EventRow(row(3).run_id, 0, NOW, 0, "e", "fe_garch", large(b"c"))
    rows = [row(0, b"a"), row(1, b"a"), row(2, b"b"), row(3)]
    await store.commit(Batch(runs=rows, events=[event]))
    assert values(path) == 3
    for gone, left in ((0, 3), (1, 2), (3, 1), (2, 0)):
        await store.commit(Batch(pruned=[rows[gone].run_id]))
        await settled(store)
        assert values(path) == left


async def test_a_large_value_that_is_written_again_in_the_same_breath_stays(
    store: SqliteStore, path: Path
) -> None:
    await store.commit(Batch(runs=[row(0, b"a")]))
    await store.commit(Batch(runs=[row(1, b"a")], pruned=[row(0).run_id]))
    await settled(store)
    async with LedgerReader(path) as ledger:
        found = await ledger.run(row(1).run_id)
    assert found is not None
    assert found.outputs == {"x": large(b"a")}


async def test_a_value_whose_file_could_not_be_removed_may_be_written_again(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.commit(Batch(runs=[row(0, b"a")]))

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    with monkeypatch.context() as broken:
        broken.setattr(BlobFiles, "remove", refuse)
        await store.commit(Batch(pruned=[row(0).run_id]))
        await settled(store)
    await store.commit(Batch(runs=[row(1, b"a")]))
    await settled(store)
    async with LedgerReader(path) as ledger:
        found = await ledger.run(row(1).run_id)
    assert found is not None
    assert found.outputs == {"x": large(b"a")}


async def test_what_was_not_committed_removes_no_file(store: SqliteStore, path: Path) -> None:
    await store.commit(Batch(runs=[row(0, b"a"), row(1)]))
    again = row(1)  # a run that has ended cannot be written again
    with pytest.raises(StoreError, match="has ended"):
        await store.commit(Batch(runs=[again], pruned=[row(0).run_id]))
    await settled(store)
    await store.commit(Batch(runs=[row(2)]))
    await settled(store)
    assert values(path) == 1
    async with LedgerReader(path) as ledger:
        assert await ledger.run(row(0).run_id) is not None


async def test_the_file_stops_growing(store: SqliteStore, path: Path) -> None:
    """Each round writes as much as the one before, and removes what that wrote."""
    sizes: list[int] = []
    for number in range(12):
        rows = [row(number * 100 + each) for each in range(100)]
        for each in rows:
            each.outputs = {"x": Encoded(b"\xc5\x27\x10" + b"y" * 10_000)}
        await store.commit(Batch(runs=rows))
        async with LedgerReader(path) as ledger:
            old = await ledger.prunable(Limits(rows[0].key.due, 10_000), 1000)
        await store.commit(Batch(pruned=list(old)))
        assert store._writer is not None  # noqa: SLF001 - the size without the log beside it
        await store._writer.call(  # noqa: SLF001
            lambda: store._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # type: ignore[union-attr]  # noqa: SLF001
        )
        sizes.append(path.stat().st_size)
    assert sizes[-1] <= sizes[3] * 1.05
