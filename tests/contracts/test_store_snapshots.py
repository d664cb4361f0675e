"""Points in time and queries on them, whatever the store."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest

from optifire.core.errors import ContractError, StoreError
from optifire.core.ledger import (
    Batch,
    RunRow,
    Statement,
    TableWrites,
    new_run,
)
from optifire.core.ports import Ledger, Store, TableReader
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId


class Backend(Protocol):
    store: Store

    def ledger(self) -> AbstractAsyncContextManager[Ledger]: ...


#: Whatever MessagePack can hold.
Plain = Any

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def enc(value: Plain) -> Encoded:
    return Encoded(msgspec.msgpack.encode(value))


def key(plugin: str = "fe_garch", due: datetime = T, turn: int = 0) -> RunKey:
    return RunKey(PluginId(plugin), due, turn)


def done(plugin: str = "fe_garch", due: datetime = T, turn: int = 0) -> RunRow:
    return new_run(key(plugin, due, turn), RunStatus.SUCCEEDED, "@close")


def writes(run: RunRow, *statements: str | tuple[str, Plain]) -> TableWrites:
    given = [(entry, []) if isinstance(entry, str) else entry for entry in statements]
    made = tuple(Statement(sql, enc(params)) for sql, params in given)
    return TableWrites(run.run_id, run.key.plugin_id, run.key.due, made)


async def fetch(
    reader: TableReader, sql: str, params: Plain = (), *, one: bool = False, plugin_id: str = ""
) -> Plain:
    return msgspec.msgpack.decode(
        await reader.fetch(sql, enc(params), one=one, plugin_id=plugin_id)
    )


CREATE = "CREATE TABLE IF NOT EXISTS p_mine_t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE, b)"


async def insert(store: Store, number: int) -> None:
    row = done("mine", T + number * MINUTE)
    made = writes(row, CREATE, ("INSERT INTO p_mine_t (a) VALUES (?)", [number]))
    assert not await store.commit(Batch(runs=[row], writes=[made]))


async def numbers(reader: TableReader) -> list[int]:
    return [row["a"] for row in await fetch(reader, "SELECT a FROM p_mine_t ORDER BY a")]


async def test_a_snapshot_sees_what_was_committed_before_it_and_nothing_later(
    backend: Backend,
) -> None:
    readers = []
    for number in range(4):
        await insert(backend.store, number)
        readers.append(await backend.store.snapshot())
        await backend.store.commit(Batch(runs=[done("quiet", T + number * MINUTE)]))
    await insert(backend.store, 9)
    for number in (2, 0, 3, 1):
        assert await numbers(readers[number]) == list(range(number + 1))
        assert await numbers(readers[number]) == list(range(number + 1))
    for reader in readers:
        await reader.close()


async def test_a_snapshot_has_its_place_among_commits_that_are_on_their_way(
    backend: Backend,
) -> None:
    await insert(backend.store, 0)
    tasks, readers = [], []
    for number in range(1, 30):
        tasks.append(asyncio.ensure_future(insert(backend.store, number)))
        await asyncio.wait([tasks[-1]], timeout=0)
        readers.append((number, await backend.store.snapshot()))
    seen = [(number, await numbers(reader)) for number, reader in reversed(readers)]
    await asyncio.gather(*tasks)
    assert all(found == list(range(number + 1)) for number, found in seen)
    for _, reader in readers:
        await reader.close()


async def test_a_snapshot_that_was_let_go_answers_no_more(backend: Backend) -> None:
    await insert(backend.store, 1)
    reader = await backend.store.snapshot()
    assert await numbers(reader) == [1]
    await reader.close()
    with pytest.raises(StoreError, match="let go"):
        await numbers(reader)


async def test_one_row_and_named_parameters(backend: Backend) -> None:
    for number in range(3):
        await insert(backend.store, number)
    reader = await backend.store.snapshot()
    sql = "SELECT a FROM p_mine_t WHERE a >= :low ORDER BY a"
    assert await fetch(reader, sql, {"low": 1}, one=True) == [{"a": 1}]
    assert await fetch(reader, sql, {"low": 7}, one=True) == []
    await reader.close()


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT * FROM runs", "runs"),
        ("SELECT count(*) FROM runs", "runs"),
        ("SELECT * FROM sqlite_schema", "sqlite_master"),
        ("SELECT * FROM p_mine_t", "p_mine_t"),
        ("SELECT datetime('now')", "datetime"),
        ("SELECT random()", "random"),
        ("SELECT * FROM pragma_table_info('runs')", "pragma"),
        ("PRAGMA user_version", "PRAGMA"),
        ("DELETE FROM p_other_t", "p_other_t"),
        ("INSERT INTO features (feature_name) VALUES ('x')", "features"),
        ("CREATE TABLE p_other_x (a)", "p_other_x"),
        ("SELECT nothing", "nothing"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("", "gives no rows"),
        (
            "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
            "too many steps",
        ),
    ],
)
async def test_a_query_that_cannot_be_answered_names_itself(
    backend: Backend, sql: str, named: str
) -> None:
    await insert(backend.store, 1)
    reader = await backend.store.snapshot()
    with pytest.raises(ContractError) as caught:
        await fetch(reader, sql, plugin_id="other")
    assert sql in str(caught.value)
    assert named in (str(caught.value).replace(sql, "") if sql else str(caught.value))
    assert caught.value.where == "other"
    await reader.close()


async def test_a_plugin_reads_its_own_tables(backend: Backend) -> None:
    await insert(backend.store, 1)
    reader = await backend.store.snapshot()
    assert await fetch(reader, "SELECT a FROM p_mine_t", plugin_id="Mine") == [{"a": 1}]
    await reader.close()


FEATURE = "INSERT INTO features (symbol, feature_name, value) VALUES ('SPX', 'x', ?)"
FEATURES = "SELECT value FROM features ORDER BY value"


async def feature(store: Store, number: int) -> None:
    row = done("mine", T + number * MINUTE)
    await store.commit(Batch(runs=[row], writes=[writes(row, (FEATURE, [number]))]))


async def values(reader: TableReader) -> list[int]:
    return [row["value"] for row in await fetch(reader, FEATURES)]


@pytest.mark.parametrize("asked", [True, False])
async def test_rows_that_have_had_their_time_go_for_those_who_look_later(
    backend: Backend, *, asked: bool
) -> None:
    """Whether who looks from before has asked already makes no difference."""
    for number in range(4):
        await feature(backend.store, number)
    before = await backend.store.snapshot()
    if asked:
        assert await values(before) == [0, 1, 2, 3]
    gone = [("features", 1), ("features", 3), ("features", 99), ("signals", 2)]
    await backend.store.commit(Batch(pruned_rows=gone))
    after = await backend.store.snapshot()
    assert await values(after) == [1, 3]
    assert await values(before) == [0, 1, 2, 3]
    await before.close()
    await after.close()
