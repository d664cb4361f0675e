"""What was asked for over the API is listed by pages, each note once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from optifire.app.reading_ledger import AUDIT, LedgerReading
from optifire.core.errors import UsageError
from optifire.core.ledger import Batch, NoteRow
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOON = datetime(2018, 11, 23, 12, 0, 0, 7, tzinfo=UTC)


@asynccontextmanager
async def reading_of(path: Path, instants: Sequence[datetime]) -> AsyncIterator[LedgerReading]:
    store = SqliteStore(path, clock=lambda: NOON)
    await store.open()
    notes = [NoteRow(at, AUDIT, "x", str(n)) for n, at in enumerate(instants)]
    await store.commit(Batch(notes=[*notes, NoteRow(NOON, "enabled", "x", "another")]))
    await store.close()
    async with LedgerReader(path) as reader:

        async def ledger() -> LedgerReader:
            return reader

        yield LedgerReading(cast("Any", None), cast("Any", ledger), cast("Any", None))


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
async def test_pages_have_each_note_once_also_those_of_one_instant(
    tmp_path: Path, limit: int
) -> None:
    instants = [NOON, NOON, NOON, NOON + timedelta(seconds=1), NOON]
    async with reading_of(tmp_path / "paper.db", instants) as reading:
        page: Any = await reading.audit(limit, None)
        said = list(page["items"])
        while page["next"] is not None:
            page = await reading.audit(limit, page["next"])
            said += page["items"]
    assert [each["text"] for each in said] == ["3", "4", "2", "1", "0"]


@pytest.mark.parametrize("cursor", ["", "x", "2018-11-23T12:00:00Z.t1", "2018-11-23T12:00:00Z.n-1"])
async def test_what_is_no_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    async with reading_of(tmp_path / "paper.db", []) as reading:
        with pytest.raises(UsageError, match="is no cursor"):
            await reading.audit(5, cursor)
