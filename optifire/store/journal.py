"""Reading what became durable in a ledger, in its order, while a service goes on writing it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optifire.core.ledger import NoteRow, RunRow
from optifire.core.run import RunStatus
from optifire.store.ledgerfile import OpenFile
from optifire.store.queries import query
from optifire.store.rows import ID, decode_note, decode_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.store.rows import Row

#: Places in a row that follow those of the run.
_SEQ, _STATUS, _EVENT, _SOURCE, _NOTE = ID + 1, ID + 2, ID + 3, ID + 4, ID + 5


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that became durable; what retention has removed since has neither run nor note.

    Attributes
    ----------
    seq
        Its place; the next one has the next number.
    run
        The run as it is now, without outputs and inputs: that of a start may have ended since.
    status
        What the run became then; None where the entry is about something else.
    event, source
        Name and source of an event that the run published, else None.
    note
        A note.
    """

    seq: int
    run: RunRow | None = None
    status: RunStatus | None = None
    event: str | None = None
    source: str | None = None
    note: NoteRow | None = None


@dataclass(frozen=True, slots=True)
class JournalSpan:
    """The name of a journal, and the places of the oldest and the newest entry (1 and 0: none)."""

    name: str
    first: int
    last: int


class JournalReader(OpenFile):
    """The journal of one ledger file, open for reading inside ``async with``."""

    async def span(self) -> JournalSpan:
        """Give how far it reaches now."""
        return JournalSpan(*(await self._file.rows(query("journal_span")))[0])

    async def page(self, after: int, limit: int) -> Sequence[JournalEntry]:
        """Give the entries behind a place, oldest first.

        They are made in a thread: hundreds of them would keep an event loop for milliseconds.
        """
        found = await self._file.rows(query("journal_after"), (after, limit))
        return await asyncio.to_thread(lambda: [_entry(row) for row in found])


def _entry(row: Row) -> JournalEntry:
    return JournalEntry(
        seq=row[_SEQ],
        run=None if row[ID] is None else decode_run(row[: ID + 1], {}),
        status=None if row[_STATUS] is None else RunStatus(row[_STATUS]),
        event=row[_EVENT],
        source=row[_SOURCE],
        note=None if row[_NOTE] is None else decode_note(row[_NOTE:]),
    )
