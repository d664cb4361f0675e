"""What plugins may write to tables, whatever the store."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest

from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ContextValue,
    EventRow,
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


async def table(store: Store, sql: str) -> Plain:
    reader = await store.snapshot()
    try:
        return await fetch(reader, sql)
    finally:
        await reader.close()


def value(name: str, as_of: datetime = T, content: Plain = 1, turn: int = 0) -> ContextValue:
    producer = key("fe_garch", as_of, turn)
    return ContextValue(name, producer.plugin_id, "k", producer.run_id, as_of, turn, enc(content))


async def test_the_guides_insert_works_and_the_host_fills_the_rest(backend: Backend) -> None:
    row = done("my_plugin")
    made = writes(
        row,
        ("INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)", ["SPY", "m", 0.5]),
        (
            "INSERT INTO signals (symbol, signal_type, strength) VALUES (:s, 'entry', :x)",
            {"s": "SPY", "x": 1.0},
        ),
        ("INSERT INTO metrics (name, value) VALUES (?, ?), (?, ?)", ["a", 1, "b", "two"]),
    )
    assert list(await backend.store.commit(Batch(runs=[row], writes=[made]))) == []
    filled = {"plugin_id": "my_plugin", "run_id": row.run_id, "at": "2018-11-23T18:00:00Z"}
    features = await table(backend.store, "SELECT * FROM features")
    assert features == [
        {
            "symbol": "SPY",
            "feature_name": "m",
            "value": 0.5,
            **filled,
            "at_us": 1_542_996_000_000_000,
        }
    ]
    assert await table(backend.store, "SELECT run_id, strength FROM signals") == [
        {"run_id": row.run_id, "strength": 1.0}
    ]
    assert await table(backend.store, "SELECT name, value FROM metrics") == [
        {"name": "a", "value": 1},
        {"name": "b", "value": "two"},
    ]


CREATE = "CREATE TABLE IF NOT EXISTS p_mine_t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE, b)"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO p_mine_t (a, b) VALUES (1, 2)",
        "INSERT OR REPLACE INTO p_mine_t (a, b) VALUES (0, 2)",
        "INSERT INTO p_mine_t (a) VALUES (0) ON CONFLICT (a) DO UPDATE SET b = 3",
        "UPDATE p_mine_t SET b = a + 1",
        "DELETE FROM p_mine_t",
        "CREATE INDEX IF NOT EXISTS p_mine_by_b ON p_mine_t (b)",
        "CREATE TABLE p_mine_copy AS SELECT * FROM p_mine_t",
        "INSERT INTO p_mine_t (a) SELECT value FROM features WHERE value > 5",
        "INSERT INTO p_mine_t (a) SELECT value FROM json_each('[7, 8]')",
        "INSERT INTO features (feature_name, value) SELECT 'copy', b FROM p_mine_t",
        "WITH x AS (SELECT 9 AS n) INSERT INTO p_mine_t (a) SELECT n FROM x",
        "INSERT INTO p_mine_t (a) VALUES (abs(-4)), (round(2.5)), (upper('x'))",
    ],
)
async def test_a_plugin_may_use_its_own_and_the_shared_tables(
    backend: Backend, statement: str
) -> None:
    first, second = done("mine"), done("mine", T + MINUTE)
    begun = writes(first, CREATE, "INSERT INTO p_mine_t (a, b) VALUES (0, 0)")
    assert not await backend.store.commit(Batch(runs=[first], writes=[begun]))
    refused = await backend.store.commit(Batch(runs=[second], writes=[writes(second, statement)]))
    assert list(refused) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE runs SET status = 'failed'", "runs"),
        ("DELETE FROM runs", "runs"),
        ("INSERT INTO meta VALUES ('a', 'b')", "meta"),
        ("INSERT INTO p_mine_t (a) SELECT count(*) FROM runs", "runs"),
        ("INSERT INTO p_mine_t (a) SELECT value FROM context", "context"),
        ("UPDATE features SET value = 0", "features"),
        ("DELETE FROM signals", "signals"),
        ("INSERT INTO shared_features (feature_name) VALUES ('x')", "shared_features"),
        ("UPDATE shared_features SET value = 0", "shared_features"),
        ("INSERT INTO features VALUES ('SPY', 'x', 1)", "7 columns but 3"),
        ("INSERT INTO features (feature_name, plugin_id) VALUES ('x', 'other')", "by the host"),
        ("INSERT INTO features (feature_name, at) VALUES ('x', 'now')", "by the host"),
        ("INSERT INTO p_other_t (a) VALUES (1)", "p_other_t"),
        ("INSERT INTO p_mine_t (a) SELECT a FROM p_other_t", "p_other_t"),
        ("CREATE TABLE p_other_u (a)", "p_other_u"),
        ("CREATE TABLE free (a)", "free"),
        ("CREATE TEMP TABLE p_mine_x (a)", "temporary"),
        ("CREATE INDEX by_a ON p_mine_t (a)", "by_a"),
        ("CREATE INDEX p_mine_i ON shared_features (value)", "p_mine_i"),
        ("CREATE VIEW p_mine_v AS SELECT 1", "CREATE VIEW"),
        (
            "CREATE TRIGGER p_mine_g AFTER INSERT ON p_mine_t BEGIN DELETE FROM runs; END",
            "CREATE TRIGGER",
        ),
        ("CREATE VIRTUAL TABLE p_mine_f USING fts5(a)", "VIRTUAL"),
        ("DROP TABLE p_mine_t", "DROP"),
        ("ALTER TABLE p_mine_t ADD COLUMN c", "ALTER"),
        ("ATTACH 'x.db' AS x", "ATTACH"),
        ("VACUUM INTO 'x.db'", "VACUUM from within"),
        ("DELETE FROM sqlite_schema", "may not be modified"),
        ("INSERT INTO p_mine_t (a) SELECT sql FROM sqlite_schema", "sqlite_master"),
        ("UPDATE sqlite_schema SET sql = ''", "may not be modified"),
        ("PRAGMA user_version = 7", "PRAGMA"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA"),
        ("BEGIN", "transaction"),
        ("COMMIT", "transaction"),
        ("ROLLBACK", "transaction"),
        ("SAVEPOINT x", "savepoint"),
        ("INSERT INTO p_mine_t (a) VALUES (random())", "random"),
        ("INSERT INTO p_mine_t (a) VALUES (hex(randomblob(4)))", "randomblob"),
        ("INSERT INTO p_mine_t (a) VALUES (datetime('now'))", "datetime"),
        ("INSERT INTO p_mine_t (a) VALUES (CURRENT_TIMESTAMP)", "current_timestamp"),
        ("INSERT INTO p_mine_t (a) VALUES (last_insert_rowid())", "last_insert_rowid"),
        (
            (
                "WITH features AS (SELECT strftime('%s', 'now') AS n)"
                " INSERT INTO p_mine_t (a) SELECT n FROM features"
            ),
            "strftime",
        ),
        ("INSERT INTO p_mine_t (a) VALUES (host_fill(1))", "host_fill"),
        ("CREATE TABLE p_mine_d (a, at DEFAULT CURRENT_TIMESTAMP)", "current_timestamp"),
        ("CREATE TABLE p_mine_d (a, r DEFAULT (random()))", "random"),
        ('CREATE TABLE p_mine_d (a, r DEFAULT ("random" ()))', "random"),
        ("/* x */ CREATE TABLE p_mine_d (a, r DEFAULT (random()))", "random"),
        ("CREATE TABLE p_mine_d (r REFERENCES runs (id))", "reference to runs"),
        ("INSERT INTO nowhere VALUES (1)", "nowhere"),
        ("this is no SQL", "syntax"),
        ("INSERT INTO p_mine_t (a) VALUES (1); DELETE FROM p_mine_t", "one statement"),
        ("INSERT INTO p_mine_t (a) VALUES (?)", "binding"),
        (
            (
                "INSERT INTO p_mine_t (a) WITH RECURSIVE c (x) AS"
                " (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
            ),
            "too many steps",
        ),
    ],
)
async def test_anything_else_fails_the_run_and_names_the_statement(
    backend: Backend, statement: str, named: str
) -> None:
    other, ready, row = done("other"), done("mine"), done("mine", T + MINUTE)
    begun = [
        writes(other, "CREATE TABLE p_other_t (a)"),
        writes(ready, CREATE, "INSERT INTO p_mine_t (a, b) VALUES (0, 0)"),
    ]
    assert not await backend.store.commit(Batch(runs=[other, ready], writes=begun))
    good = done("other", T + MINUTE)
    made = [
        writes(row, "INSERT INTO p_mine_t (a, b) VALUES ('kept', 1)", statement),
        writes(good, "INSERT INTO p_other_t (a) VALUES (5)"),
    ]
    refused = await backend.store.commit(Batch(runs=[row, good], writes=made))
    assert [entry.run_id for entry in refused] == [row.run_id]
    failure = refused[0].failure
    assert failure.type == "ContractError"
    assert statement[:200] in failure.message
    assert named in failure.message.replace(statement[:300], "")
    async with backend.ledger() as ledger:
        stored = await ledger.run(row.run_id)
        kept = await ledger.run(good.run_id)
    assert kept == good
    assert stored is not None
    assert stored.status is RunStatus.FAILED
    assert stored.failure == failure
    assert await table(backend.store, "SELECT a, b FROM p_mine_t") == [{"a": 0, "b": 0}]
    assert await table(backend.store, "SELECT a FROM p_other_t") == [{"a": 5}]


async def test_a_refused_run_leaves_nothing_of_what_it_made(backend: Backend) -> None:
    row, good = done("mine"), done("other")
    row.outputs = {"a": enc(1), "big": enc(b"x" * 100_000)}
    event = EventRow(row.run_id, 0, T, 1, "e", "mine", enc(1), taken=False)
    attempt = AttemptRow(row.run_id, 1, RunStatus.SUCCEEDED, T)
    kept = value("kept")
    dropped = ContextValue("gone", row.key.plugin_id, "a", row.run_id, T, 0, enc(1))
    await backend.store.commit(
        Batch(
            runs=[row, good],
            attempts=[attempt],
            values=[kept, dropped],
            events=[event],
            writes=[writes(row, "INSERT INTO features (value) VALUES (1)")],
        )
    )
    async with backend.ledger() as ledger:
        stored = await ledger.run(row.run_id)
        assert stored is not None
        assert (stored.status, stored.outputs) == (RunStatus.FAILED, {})
        assert [entry.status for entry in await ledger.attempts(row.run_id)] == [RunStatus.FAILED]
        assert await ledger.context() == [kept]
        assert not await ledger.events(row.run_id)
        assert not await ledger.writes(row.run_id)


async def test_a_statement_that_rolls_back_everything_fails_its_own_run_only(
    backend: Backend,
) -> None:
    first, bad, last = done("a"), done("mine"), done("z")
    made = [
        writes(first, "CREATE TABLE p_a_t (x)", "INSERT INTO p_a_t VALUES (1)"),
        writes(
            bad,
            "CREATE TABLE p_mine_t (x UNIQUE ON CONFLICT ROLLBACK)",
            "INSERT INTO p_mine_t VALUES (1), (1)",
        ),
        writes(last, "CREATE TABLE p_z_t (x)", "INSERT INTO p_z_t VALUES (3)"),
    ]
    refused = await backend.store.commit(Batch(runs=[first, bad, last], writes=made))
    assert [entry.run_id for entry in refused] == [bad.run_id]
    assert await table(backend.store, "SELECT * FROM p_a_t") == [{"x": 1}]
    assert await table(backend.store, "SELECT * FROM p_z_t") == [{"x": 3}]


async def test_of_two_plugins_that_may_claim_a_table_the_first_keeps_it(backend: Backend) -> None:
    owner, other = done("fe_garch"), done("fe")
    await backend.store.commit(
        Batch(runs=[owner], writes=[writes(owner, "CREATE TABLE p_fe_garch_t (a)")])
    )
    await backend.store.close()
    await backend.store.open()
    refused = await backend.store.commit(
        Batch(runs=[other], writes=[writes(other, "INSERT INTO p_fe_garch_t VALUES (1)")])
    )
    assert [entry.run_id for entry in refused] == [other.run_id]


async def test_the_same_statement_is_judged_anew_for_each_plugin(backend: Backend) -> None:
    mine, other = done("mine"), done("other")
    insert = "INSERT INTO p_mine_t (a) VALUES (1)"
    refused = await backend.store.commit(
        Batch(runs=[mine, other], writes=[writes(mine, CREATE, insert), writes(other, insert)])
    )
    assert [entry.run_id for entry in refused] == [other.run_id]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO p_fe_garch_x VALUES (1, 'old')",
        "INSERT OR REPLACE INTO p_fe_garch_x VALUES (1, 'old')",
        "REPLACE INTO p_fe_garch_x VALUES (1, 'old')",
        "INSERT INTO p_fe_garch_x VALUES (1, 'old') ON CONFLICT (k) DO UPDATE SET v = 'old'",
        "UPDATE p_fe_garch_x SET v = 'old'",
        "DELETE FROM p_fe_garch_x",
        "CREATE TABLE IF NOT EXISTS p_fe_garch_x (k)",
        "CREATE INDEX IF NOT EXISTS p_fe_garch_i ON p_fe_garch_x (v)",
    ],
)
async def test_who_may_only_add_changes_nothing_of_its_own(
    backend: Backend, statement: str
) -> None:
    make = "CREATE TABLE p_fe_garch_x (k INTEGER PRIMARY KEY, v)"
    new = "INSERT INTO p_fe_garch_x VALUES (1, 'new')"
    shared = "INSERT INTO metrics (name, value) VALUES ('x', 1)"
    live, past, adds = (done(due=T + MINUTE * n) for n in range(3))
    await backend.store.commit(Batch(runs=[live], writes=[writes(live, make, new)]))
    (refused,) = await backend.store.commit(
        Batch(runs=[past], writes=[replace(writes(past, shared, statement), add_only=True)])
    )
    assert "is not allowed in a backfill" in refused.failure.message
    assert "only adds to" in refused.failure.message
    assert await table(backend.store, "SELECT k, v FROM p_fe_garch_x") == [{"k": 1, "v": "new"}]
    assert await table(backend.store, "SELECT name FROM metrics") == []
    await backend.store.commit(
        Batch(runs=[adds], writes=[replace(writes(adds, shared), add_only=True)])
    )
    assert await table(backend.store, "SELECT name FROM metrics") == [{"name": "x"}]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ([2**64 - 1], "too large"),
        ([[1, 2]], "type 'list'"),
        ("text", "list or a mapping"),
        ([1, 2], "binding"),
        ([msgspec.msgpack.Ext(5, b"frame")], "type 'msgspec"),
    ],
)
async def test_parameters_that_no_column_takes_fail_the_run(
    backend: Backend, params: Plain, said: str
) -> None:
    row = done("mine")
    made = writes(row, CREATE, ("INSERT INTO p_mine_t (a) VALUES (?)", params))
    (refused,) = await backend.store.commit(Batch(runs=[row], writes=[made]))
    assert said in refused.failure.message


async def test_values_of_every_plain_type_come_back_from_tables(backend: Backend) -> None:
    row = done("mine")
    given = [None, True, 2**63 - 1, -1.5, "žluť", b"\x00\xff", float("inf")]
    made = writes(
        row,
        "CREATE TABLE p_mine_v (n INTEGER PRIMARY KEY, v)",
        *[("INSERT INTO p_mine_v (v) VALUES (?)", [entry]) for entry in given],
        ("INSERT INTO p_mine_v (v) VALUES (?)", [T]),
        ("INSERT INTO p_mine_v (v) VALUES (?)", [float("nan")]),
    )
    assert not await backend.store.commit(Batch(runs=[row], writes=[made]))
    found = await table(backend.store, "SELECT v FROM p_mine_v ORDER BY n")
    assert [entry["v"] for entry in found] == [*given, "2018-11-23T18:00:00Z", None]
