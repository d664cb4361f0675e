"""Whoever asks for a page of notes reads no others: every question goes by an index."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.ledger import Batch, NoteRow
from optifire.store.queries import query
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
VALUES = {"kind": "api", "subject": "x", "until": 0, "skip": 0, "limit": 1}


@pytest.mark.parametrize(
    ("conditions", "index"),
    [("", "notes_by_kind"), (" AND subject = :subject", "notes_by_subject")],
)
async def test_a_page_of_notes_is_found_and_ordered_by_an_index(
    tmp_path: Path, conditions: str, index: str
) -> None:
    store = SqliteStore(tmp_path / "paper.db", clock=lambda: NOON)
    await store.open()
    await store.close()
    asked = query("latest_notes").replace("{conditions}", conditions)
    connection = sqlite3.connect(tmp_path / "paper.db")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {asked}", VALUES).fetchall()
    connection.close()
    (step,) = [row[3] for row in plan]
    assert f"USING INDEX {index} (" in step


async def test_notes_of_a_kind_and_of_a_subject_come_in_pages(tmp_path: Path) -> None:
    later = NOON + timedelta(minutes=1)
    a, b = NoteRow(NOON, "api", "x", "a"), NoteRow(later, "api", "x", "b")
    c, d = NoteRow(later, "api", "y", "c"), NoteRow(later, "enabled", "x", "d")
    store = SqliteStore(tmp_path / "paper.db", clock=lambda: NOON)
    await store.open()
    await store.commit(Batch(notes=[a, b, c, d]))
    await store.close()
    async with LedgerReader(tmp_path / "paper.db") as ledger:
        assert await ledger.latest_notes("api", limit=9) == [c, b, a]
        assert await ledger.latest_notes("api", limit=1) == [c]
        assert await ledger.latest_notes("api", place=(later, 1), limit=9) == [b, a]
        assert await ledger.latest_notes("api", place=(NOON, 0), limit=9) == [a]
        assert await ledger.latest_notes("api", subject="x", limit=1) == [b]
