"""What every store must do, whatever it keeps its rows in."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import pytest

from optifire.core.budget import Budget, Measured, Usage
from optifire.core.errors import StoreError
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
        held='{"cpu_ms":20.0}',
    )


@pytest.mark.row("O005")
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
        assert await ids(plugin_id="a", since=T + 4 * MINUTE) == [runs[5].run_id, runs[4].run_id]
        assert len(await ids(plugin_id="a", since=T - timedelta(days=400))) == 8
        assert len(await ids(plugin_id="a", since=T - timedelta(days=399))) == 7
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


async def test_commits_are_acknowledged_in_their_order(backend: Backend) -> None:
    order: list[int] = []

    async def one(number: int) -> None:
        await backend.store.commit(Batch(runs=[done("a", T + number * MINUTE)]))
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(50)))
    assert order == list(range(50))
