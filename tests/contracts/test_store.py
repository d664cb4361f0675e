"""What every store must do, whatever it keeps its rows in."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest

from optifire.core.budget import Budget, Measured, Usage
from optifire.core.errors import ContractError, StoreError
from optifire.core.ledger import (
    AttemptRow,
    Batch,
    ConfigVersion,
    ContextValue,
    EventRow,
    LogRow,
    NoteRow,
    RunFilter,
    RunRow,
    Statement,
    TableWrites,
    new_run,
)
from optifire.core.ports import Ledger, Store, TableReader
from optifire.core.run import Failure, Reason, RunKey, RunKind, RunStatus, Source
from optifire.core.types import Encoded, PluginId, RunId


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


def full_row() -> RunRow:
    """Give a row with something in every field."""
    return RunRow(
        key=RunKey(PluginId("fe_garch"), T + timedelta(microseconds=7), 2, RunKind.MANUAL),
        run_id=RunKey(
            PluginId("fe_garch"), T + timedelta(microseconds=7), 2, RunKind.MANUAL
        ).run_id,
        status=RunStatus.FAILED,
        trigger="@close-10m",
        version="1.2.3",
        reason=Reason("error", "späť \N{CHART WITH UPWARDS TREND}"),
        attempts=3,
        started_at=T + MINUTE,
        finished_at=T + 2 * MINUTE,
        worker="isolated",
        usage=Usage(12.5, 80.25, 120.0, Measured.METERED),
        budget=Budget(10.0, 64.0),
        breaches=("cpu", "memory"),
        degraded=True,
        outputs={"vol": enc(0.2), "große": enc({"a": [1, None, float("inf")]})},
        inputs={
            "regime": Source(RunId("alpha_vix_regime@20181123T180000Z"), T),
            "feed:SPX": Source(None, T, "builtin:abc"),
        },
        failure=Failure("ValueError", "no", "Traceback\n...", retryable=True),
        note="by hand",
        first=T - MINUTE,
        count=2,
    )


async def test_a_run_comes_back_with_every_field(backend: Backend) -> None:
    row = full_row()
    await backend.store.commit(Batch(runs=[row]))
    async with backend.ledger() as ledger:
        assert await ledger.run(row.run_id) == row
        assert await ledger.runs(RunFilter()) == [row]


async def test_an_unknown_run_is_none(backend: Backend) -> None:
    async with backend.ledger() as ledger:
        assert await ledger.run("nobody@20181123T180000Z") is None
        assert await ledger.run("no run id at all") is None
        assert await ledger.attempts("no run id at all") == []
        assert list(await ledger.writes("nobody@20181123T180000Z")) == []


async def test_a_run_goes_from_due_to_done_in_one_row(backend: Backend) -> None:
    row = new_run(key(), RunStatus.DUE, "@close")
    await backend.store.commit(Batch(runs=[row]))
    row.move(RunStatus.RUNNING)
    await backend.store.commit(Batch(runs=[row]))
    row.move(RunStatus.SUCCEEDED)
    await backend.store.commit(Batch(runs=[row]))
    async with backend.ledger() as ledger:
        assert await ledger.runs(RunFilter()) == [row]


async def test_a_row_that_changes_after_it_was_given_is_stored_as_it_was_given(
    backend: Backend,
) -> None:
    row = new_run(key(), RunStatus.RUNNING)
    giving = asyncio.ensure_future(backend.store.commit(Batch(runs=[row])))
    await asyncio.wait([giving])
    row.move(RunStatus.SUCCEEDED)
    async with backend.ledger() as ledger:
        stored = await ledger.run(row.run_id)
    assert stored is not None
    assert stored.status is RunStatus.RUNNING


@pytest.mark.parametrize("again", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.RUNNING])
async def test_a_run_that_has_ended_never_changes(backend: Backend, again: RunStatus) -> None:
    row = done()
    await backend.store.commit(Batch(runs=[row]))
    with pytest.raises(StoreError, match=r"fe_garch@20181123T180000Z has ended"):
        await backend.store.commit(
            Batch(runs=[replace(row, status=again), done("other")], notes=[note("x")])
        )
    async with backend.ledger() as ledger:
        assert await ledger.runs(RunFilter()) == [row]
        assert await ledger.notes(kind=None, since=None) == []


async def test_a_run_cannot_end_twice_in_one_batch(backend: Backend) -> None:
    with pytest.raises(StoreError, match="has ended"):
        await backend.store.commit(Batch(runs=[done(), replace(done(), status=RunStatus.FAILED)]))
    async with backend.ledger() as ledger:
        assert await ledger.runs(RunFilter()) == []


async def test_one_callers_slip_does_not_reach_the_others(backend: Backend) -> None:
    row = done()
    await backend.store.commit(Batch(runs=[row]))
    results = await asyncio.gather(
        backend.store.commit(Batch(runs=[done("a")])),
        backend.store.commit(Batch(runs=[replace(row, status=RunStatus.FAILED)])),
        backend.store.commit(Batch(runs=[done("b")])),
        return_exceptions=True,
    )
    assert [isinstance(result, StoreError) for result in results] == [False, True, False]
    async with backend.ledger() as ledger:
        found = await ledger.runs(RunFilter())
    assert [run.key.plugin_id for run in found] == ["a", "b", "fe_garch"]


@pytest.mark.parametrize(
    "batch",
    [
        Batch(attempts=[AttemptRow(RunId("x@20181123T180000Z"), 1, RunStatus.RUNNING, T)]),
        Batch(logs=[LogRow(RunId("x@20181123T180000Z"), 1, b"hello")]),
        Batch(events=[EventRow(RunId("x@20181123T180000Z"), 0, T, 1, "e", "x", enc(None))]),
    ],
)
async def test_what_belongs_to_no_run_is_refused(backend: Backend, batch: Batch) -> None:
    with pytest.raises(StoreError, match="there is no run x@20181123T180000Z"):
        await backend.store.commit(batch)


async def test_attempts_and_logs_come_back_oldest_first(backend: Backend) -> None:
    row = new_run(key(), RunStatus.RUNNING)
    first = AttemptRow(row.run_id, 1, RunStatus.RUNNING, T, worker="inline")
    await backend.store.commit(Batch(runs=[row], attempts=[first]))
    ended = replace(
        first,
        status=RunStatus.FAILED,
        finished_at=T + MINUTE,
        reason=Reason("error", "no"),
        usage=Usage(1.0, None, 2.0, Measured.EXACT),
        failure=Failure("E", "no"),
    )
    second = replace(first, number=2)
    await backend.store.commit(Batch(attempts=[second, ended]))
    row.move(RunStatus.SUCCEEDED)
    await backend.store.commit(Batch(runs=[row]))
    logs = [LogRow(row.run_id, 1, b"one\xff"), LogRow(row.run_id, 2, b"two")]
    await backend.store.commit(Batch(logs=list(reversed(logs))))
    async with backend.ledger() as ledger:
        assert await ledger.attempts(row.run_id) == [ended, second]
        assert await ledger.log(row.run_id) == logs


async def test_an_attempt_that_has_ended_never_changes(backend: Backend) -> None:
    row = new_run(key(), RunStatus.RUNNING)
    attempt = AttemptRow(row.run_id, 1, RunStatus.LOST, T)
    await backend.store.commit(Batch(runs=[row], attempts=[attempt]))
    with pytest.raises(StoreError, match="attempt that has ended"):
        await backend.store.commit(Batch(attempts=[replace(attempt, status=RunStatus.SUCCEEDED)]))


def note(text: str, at: datetime = T, kind: str = "warning", subject: str = "x") -> NoteRow:
    return NoteRow(at, kind, subject, text)


async def test_notes_are_listed_newest_first_by_kind_and_time(backend: Backend) -> None:
    notes = [note("a"), note("b", T + MINUTE, "config"), note("c", T + 2 * MINUTE)]
    await backend.store.commit(Batch(notes=notes))
    async with backend.ledger() as ledger:
        assert await ledger.notes(kind=None, since=None) == notes[::-1]
        assert await ledger.notes(kind="warning", since=None) == [notes[2], notes[0]]
        assert await ledger.notes(kind=None, since=T + MINUTE) == [notes[2], notes[1]]


async def test_filters_hold_together_and_the_newest_come_first(backend: Backend) -> None:
    runs = [done("a", T + i * MINUTE) for i in range(6)]
    runs += [new_run(key("b", T + i * MINUTE), RunStatus.SKIPPED) for i in range(6)]
    by_hand = new_run(RunKey(PluginId("a"), T, 0, RunKind.MANUAL), RunStatus.SUCCEEDED)
    old = done("a", T - timedelta(days=400))
    await backend.store.commit(Batch(runs=[*runs, by_hand, old]))

    async with backend.ledger() as ledger:

        async def ids(**which: Plain) -> list[str]:
            return [run.run_id for run in await ledger.runs(RunFilter(**which))]

        assert await ids(plugin_id="a", limit=2) == [runs[5].run_id, runs[4].run_id]
        assert await ids(status="skipped", since=T + 4 * MINUTE) == [
            runs[11].run_id,
            runs[10].run_id,
        ]
        assert await ids(plugin_id="a", until=T) == [
            runs[0].run_id,
            by_hand.run_id,
            old.run_id,
        ] or (await ids(plugin_id="a", until=T) == [by_hand.run_id, runs[0].run_id, old.run_id])
        assert await ids(kind=RunKind.MANUAL) == [by_hand.run_id]
        assert await ids(plugin_id="a", until=T - MINUTE) == [old.run_id]
        assert await ids(plugin_id="nobody") == []


async def test_a_span_is_found_by_any_instant_in_it(backend: Backend) -> None:
    span = new_run(key(due=T + 60 * MINUTE), RunStatus.COALESCED)
    span.first, span.count = T, 61
    await backend.store.commit(Batch(runs=[span]))
    async with backend.ledger() as ledger:
        assert await ledger.runs(RunFilter(since=T + MINUTE, until=T + 2 * MINUTE)) == [span]
        assert await ledger.runs(RunFilter(until=T - MINUTE)) == []
        assert await ledger.statuses() == {"fe_garch": {"coalesced": 61}}


async def test_records_come_by_due_turn_and_plugin_with_what_each_left(backend: Backend) -> None:
    first, later, turned = done("b"), done("a", T + MINUTE), done("a", T, 1)
    event = EventRow(first.run_id, 0, T, 1, "spike", "b", enc({"x": 1}))
    made = writes(first, ("INSERT INTO features (feature_name, value) VALUES (?, ?)", ["f", 1]))
    await backend.store.commit(Batch(runs=[later, turned, first], events=[event], writes=[made]))
    async with backend.ledger() as ledger:
        records = [record async for record in ledger.records()]
        assert [record.run for record in records] == [first, turned, later]
        assert list(records[0].events) == [event]
        assert tuple(records[0].statements) == made.statements
        assert not records[1].events
        assert list(await ledger.events(first.run_id)) == [event]
        assert tuple(await ledger.writes(first.run_id)) == made.statements


def value(name: str, as_of: datetime = T, content: Plain = 1, turn: int = 0) -> ContextValue:
    producer = key("fe_garch", as_of, turn)
    return ContextValue(name, producer.plugin_id, "k", producer.run_id, as_of, turn, enc(content))


async def test_a_late_value_never_replaces_a_newer_one(backend: Backend) -> None:
    newer = value("vol", T, "new", 1)
    await backend.store.commit(Batch(values=[newer]))
    await backend.store.commit(Batch(values=[value("vol", T - MINUTE, "late")]))
    await backend.store.commit(Batch(values=[value("vol", T, "earlier turn"), value("a")]))
    async with backend.ledger() as ledger:
        assert await ledger.context() == [value("a"), newer]
    newest = value("vol", T + MINUTE)
    await backend.store.commit(Batch(values=[newest]))
    async with backend.ledger() as ledger:
        assert await ledger.context() == [value("a"), newest]


async def test_large_values_come_back_whole(backend: Backend) -> None:
    row = done()
    big = enc(b"\x00\xff" * 100_000)
    row.outputs = {"big": big, "small": enc(1)}
    held = replace(value("big"), value=big)
    event = EventRow(row.run_id, 0, T, 1, "e", "fe_garch", big, taken=False)
    await backend.store.commit(Batch(runs=[row], values=[held], events=[event]))
    async with backend.ledger() as ledger:
        assert await ledger.run(row.run_id) == row
        assert await ledger.context() == [held]
        assert list(await ledger.events(row.run_id)) == [event]
    await backend.store.close()
    found = await backend.store.open()
    assert list(found.values) == [held]
    assert list(found.waiting_events) == [event]


async def test_configurations_and_meta_are_kept(backend: Backend) -> None:
    one = ConfigVersion("h1", T, "ann", {"features.yaml": "a: 1\n", "config.yaml": ""})
    two = ConfigVersion("h2", T + MINUTE, "bob", {"features.yaml": "ä"})
    again = replace(one, at=T + 2 * MINUTE)
    await backend.store.commit(Batch(configs=[one], meta={"digest": "", "from": "x"}))
    await backend.store.commit(Batch(configs=[two, again], meta={"digest": "abc"}))
    async with backend.ledger() as ledger:
        assert list(await ledger.configs()) == [again, two, one]
        assert list(await ledger.configs(limit=1)) == [again]
        assert list(await ledger.configs(hash_="h2")) == [two]
        assert await ledger.meta() == {"digest": "abc", "from": "x"}


async def test_opening_again_gives_what_was_left_open(backend: Backend) -> None:
    running, due = new_run(key("a"), RunStatus.RUNNING), new_run(key("b"), RunStatus.DUE)
    by_hand = new_run(RunKey(PluginId("c"), T + MINUTE, 0, RunKind.MANUAL), RunStatus.SUCCEEDED)
    waiting = EventRow(running.run_id, 0, T, 1, "e", "a", enc(None), taken=False)
    taken = replace(waiting, seq=1, turn=2)
    await backend.store.commit(
        Batch(
            runs=[done("c"), by_hand, due, running, done("d", T - timedelta(days=30))],
            values=[value("v")],
            events=[waiting, taken],
            notes=[note("", T + 5 * MINUTE, "enabled", "e"), note("", T, "enabled", "a")],
        )
    )
    await backend.store.commit(Batch(events_taken=[(T, 2)]))
    await backend.store.close(clean=False)
    found = await backend.store.open()
    assert found.start == 2
    assert not found.clean
    assert list(found.open_runs) == [running, due]
    assert list(found.values) == [value("v")]
    assert list(found.waiting_events) == [waiting]
    assert found.cursors == {
        "a": T,
        "b": T,
        "c": T,
        "d": T - timedelta(days=30),
        "e": T + 5 * MINUTE,
    }
    running.move(RunStatus.LOST)
    await backend.store.commit(Batch(runs=[running]))
    await backend.store.close()
    found = await backend.store.open()
    assert found.clean
    assert found.start == 3
    assert list(found.open_runs) == [due]


async def test_a_closed_store_says_so(backend: Backend) -> None:
    await backend.store.close()
    await backend.store.close()
    with pytest.raises(StoreError, match="closed"):
        await backend.store.commit(Batch(runs=[done()]))
    with pytest.raises(StoreError, match="closed"):
        await backend.store.snapshot()


# --- plugins' tables --------------------------------------------------------------------------


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


# --- points in time ---------------------------------------------------------------------------


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


async def test_commits_are_acknowledged_in_their_order(backend: Backend) -> None:
    order: list[int] = []

    async def one(number: int) -> None:
        await backend.store.commit(Batch(runs=[done("a", T + number * MINUTE)]))
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(50)))
    assert order == list(range(50))
