"""What the stream of events says of each row of the journal."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optifire.api.tail import Event, EventKind
from optifire.app.following import event_of, opened
from optifire.core.ledger import Batch, NoteRow, new_run
from optifire.core.run import Failure, Reason, RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.journal import JournalEntry
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
KEY = RunKey(PluginId("a"), T)


def said(event: Event) -> Any:
    assert b"\n" not in event.data
    return json.loads(event.data)


def test_a_start_is_told_as_it_was_though_the_run_has_ended_since() -> None:
    run = new_run(KEY, RunStatus.FAILED, "@open")
    event = event_of(JournalEntry(7, run, RunStatus.RUNNING))
    assert (event.seq, event.kind, event.plugin_id, event.status) == (7, "run", "a", "running")
    assert said(event) == {
        "run_id": "a@20181123T180000Z",
        "plugin_id": "a",
        "due": "2018-11-23T18:00:00Z",
        "turn": 0,
        "kind": "scheduled",
        "trigger": "@open",
        "status": "running",
    }


def test_an_end_is_told_with_all_but_the_values_and_long_texts_are_cut() -> None:
    run = new_run(KEY, RunStatus.FAILED)
    run.reason = Reason("error", "two\nlines")
    run.failure = Failure("ValueError", "x" * 5000)
    run.outputs = {"much": Encoded(b"\xc0")}
    shape = said(event_of(JournalEntry(1, run, RunStatus.FAILED)))
    assert shape["reason"] == "error: two\nlines"
    assert shape["error"] == f"ValueError: {'x' * 988}…"
    assert not {"outputs", "inputs"} & shape.keys()


def test_a_published_event_names_its_run() -> None:
    run = new_run(KEY, RunStatus.SUCCEEDED)
    event = event_of(JournalEntry(1, run, event="market_open", source="host"))
    assert (event.kind, event.plugin_id, event.status) == (EventKind.PUBLISHED, "a", None)
    assert (said(event)["name"], said(event)["source"]) == ("market_open", "host")
    assert said(event)["run_id"] == run.run_id


@pytest.mark.parametrize(
    ("kind", "subject", "plugin_id"),
    [
        ("enabled", "a", "a"),
        ("paused", "*", "*"),
        ("manual", "a@20181123T180000Z~manual", "a"),
        ("holiday", "XNYS 2018-12-25", None),
        ("start", "3", None),
        ("restored", "paper.db", None),
        ("clock", "forward", None),
        ("restart", "system.concurrency", None),
        ("api", "a", None),
    ],
)
def test_a_note_is_about_the_plugin_that_its_subject_means(
    kind: str, subject: str, plugin_id: str | None
) -> None:
    event = event_of(JournalEntry(1, note=NoteRow(T, kind, subject, "why")))
    assert (event.kind, event.plugin_id) == (EventKind.NOTE, plugin_id)
    assert event.guarded == (kind == "api"), "as in /audit"
    assert said(event) == {
        "kind": kind,
        "at": "2018-11-23T18:00:00Z",
        "subject": subject,
        "text": "why",
    }


async def test_a_run_that_retention_removed_leaves_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    store = SqliteStore(path, clock=lambda: T)
    await store.open()
    rows = [new_run(RunKey(PluginId(name), T), RunStatus.SUCCEEDED) for name in "abc"]
    await store.commit(Batch(runs=rows))
    await store.commit(Batch(pruned=[rows[1].run_id]))
    async with opened(path) as events:
        span = await events.span()
        found = await events.page(0, 10)
    await store.close()
    assert (span.first, span.last) == (1, 3)
    assert [(each.kind, each.plugin_id) for each in found] == [
        ("run", "a"),
        ("gap", None),
        ("run", "c"),
    ]
