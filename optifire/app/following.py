"""The journal of a service's ledger as the events of the API."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from optifire.api.tail import Event, EventKind, Span
from optifire.app.alarms import START
from optifire.app.holidays import HOLIDAY
from optifire.app.jumping import CLOCK
from optifire.app.reading_ledger import AUDIT
from optifire.app.restarting import RESTART
from optifire.core.run import TERMINAL
from optifire.host.records import instant_text, record_of
from optifire.store.journal import JournalReader
from optifire.store.rows import parse_run_id
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from optifire.core.ledger import NoteRow, RunRow
    from optifire.core.run import RunStatus
    from optifire.store.journal import JournalEntry

#: Members of a run record that an event leaves out: whoever wants them asks for the run.
_LARGE: Final = frozenset({"outputs", "inputs"})
#: Members of a run that has begun and not ended: the others are still to come.
_BEGUN: Final = ("run_id", "plugin_id", "due", "turn", "kind", "trigger")
#: Characters of the longest text in an event.
_LONGEST: Final = 1000
#: The kinds of notes whose subject is no plugin.
_NO_PLUGIN: Final = frozenset({HOLIDAY, START, CLOCK, RESTART, "restored", AUDIT})


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[LedgerEvents]:
    """Open the events of a ledger for the length of a ``with`` block."""
    async with JournalReader(path) as journal:
        yield LedgerEvents(journal)


class LedgerEvents:
    """Events of one ledger, each made of a row of its journal."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal

    async def span(self) -> Span:
        """Give how far they reach."""
        found = await self._journal.span()
        return Span(found.name, found.first, found.last)

    async def page(self, after: int, limit: int) -> Sequence[Event]:
        """Give the events behind a place, oldest first; made in a thread, as their rows are."""
        entries = await self._journal.page(after, limit)
        return await asyncio.to_thread(lambda: [event_of(entry) for entry in entries])


def event_of(entry: JournalEntry) -> Event:
    """Give the event of a row; one that retention has emptied is a gap."""
    if entry.note is not None:
        return _of_note(entry.seq, entry.note)
    run = entry.run
    if run is None:
        return Event(entry.seq, EventKind.GAP)
    plugin_id = run.key.plugin_id
    if entry.event is not None:
        shape = {"name": entry.event, "source": entry.source or "", "run_id": run.run_id}
        data = _line({**shape, "plugin_id": plugin_id, "due": instant_text(run.key.due)})
        return Event(entry.seq, EventKind.PUBLISHED, plugin_id, None, data)
    assert entry.status is not None  # noqa: S101 - a row about a run says what it became
    data = _line(_run_shape(run, entry.status))
    return Event(entry.seq, EventKind.RUN, plugin_id, entry.status.value, data)


def _of_note(seq: int, note: NoteRow) -> Event:
    """Give the event of a note; what was changed over the API is told to admins, as in /audit."""
    key = parse_run_id(note.subject)
    named = note.subject if key is None else key.plugin_id
    shape = {"kind": note.kind, "at": instant_text(note.at), "subject": note.subject}
    return Event(
        seq,
        EventKind.NOTE,
        None if note.kind in _NO_PLUGIN else named,
        None,
        _line({**shape, "text": note.text}),
        guarded=note.kind == AUDIT,
    )


def _run_shape(run: RunRow, status: RunStatus) -> dict[str, Any]:
    """Give a run as it was then: what came later belongs to the event of its end."""
    record = record_of(run, to_json)
    if status in TERMINAL:
        return {name: value for name, value in record.items() if name not in _LARGE}
    return {**{name: record[name] for name in _BEGUN}, "status": status.value}


def _line(shape: dict[str, Any]) -> bytes:
    """Give one line of JSON; a text that is too long is cut, and ends with an ellipsis then."""
    cut = {name: _cut(value) for name, value in shape.items()}
    return json.dumps(cut, separators=(",", ":")).encode()


def _cut(value: Any) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}…"
    return value
