"""Readers and the writer at the same time."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from optifire.core.ledger import Batch, Statement, TableWrites, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)


def cycle(number: int) -> Batch:
    """Give one cycle of three runs, each with one feature."""
    keys = [RunKey(PluginId(name), T + timedelta(minutes=number)) for name in ("a", "b", "c")]
    params = Encoded(msgspec.msgpack.encode(["f", number]))
    sql = "INSERT INTO features (feature_name, value) VALUES (?, ?)"
    return Batch(
        runs=[new_run(key, RunStatus.SUCCEEDED) for key in keys],
        writes=[
            TableWrites(key.run_id, key.plugin_id, key.due, (Statement(sql, params),))
            for key in keys
        ],
    )


async def test_a_reader_sees_whole_cycles_while_a_service_writes(
    store: SqliteStore, path: Path
) -> None:
    async def write() -> None:
        for number in range(200):
            await store.commit(cycle(number))

    writing = asyncio.ensure_future(write())
    counts = []
    async with LedgerReader(path) as reader:
        while not writing.done():
            counts.append(len([record async for record in reader.records()]))
    await writing
    assert len(counts) > 1
    assert counts == sorted(counts)
    assert all(count % 3 == 0 for count in counts)


async def test_records_are_one_point_in_time_however_slowly_they_are_read(
    store: SqliteStore, path: Path
) -> None:
    for number in range(200):
        await store.commit(cycle(number))
    seen = 0
    async with LedgerReader(path) as reader:
        async for record in reader.records():
            if seen == 0:
                await store.commit(cycle(500))
            assert record.statements
            seen += 1
    assert seen == 600


async def test_queries_of_many_points_in_time_run_beside_commits(store: SqliteStore) -> None:
    async def look(number: int) -> tuple[int, int]:
        await store.commit(cycle(number))
        reader = await store.snapshot()
        sql = "SELECT count(*) AS n, max(value) AS m FROM features"
        first = await reader.fetch(sql, Encoded(b"\x90"), one=True)
        await store.commit(cycle(number + 1000))
        second = await reader.fetch(sql, Encoded(b"\x90"), one=True)
        await reader.close()
        assert first == second
        row = msgspec.msgpack.decode(first)[0]
        return row["n"], row["m"]

    found = await asyncio.gather(*(look(number) for number in range(40)))
    assert all(n % 3 == 0 and n >= 3 for n, _ in found)
    assert all(m >= number for number, (_, m) in enumerate(found))


async def test_a_long_query_ends_when_its_point_in_time_is_let_go(store: SqliteStore) -> None:
    reader = await store.snapshot()
    endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    asking = asyncio.ensure_future(reader.fetch(endless, Encoded(b"\x90"), one=False))
    await asyncio.wait([asking], timeout=0.01)
    await store.commit(cycle(1))
    await reader.close()
    outcome = (await asyncio.gather(asking, return_exceptions=True))[0]
    assert isinstance(outcome, Exception)


async def test_a_point_in_time_may_outlive_its_store(store: SqliteStore) -> None:
    reader = await store.snapshot()
    await reader.fetch("SELECT * FROM features", Encoded(b"\x90"), one=False)
    await store.close()
    await reader.close()
