"""Reading a ledger, live or replayed, also while a service writes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from optifire.core.ledger import (
    AttemptRow,
    ConfigVersion,
    ContextValue,
    EventRow,
    LogRow,
    NoteRow,
    RunFilter,
    RunRecord,
    RunRow,
    Statement,
)
from optifire.core.types import RunId
from optifire.store import codec, rows
from optifire.store.aging import AgingReader
from optifire.store.codec import to_us
from optifire.store.fetching import events_from, runs_from, values_from
from optifire.store.ledgerfile import LedgerFile
from optifire.store.queries import query
from optifire.store.rows import ID, LARGE, Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from optifire.core.run import RunKey
    from optifire.core.types import Encoded
    from optifire.store.blobs import BlobFiles

#: Runs that `LedgerReader.records` holds in memory at a time.
_PAGE = 500
#: A key before every other one: no datetime is that early.
_FIRST: Row = (-(2**63), 0, "", "")
#: An instant after every other one, in microseconds.
_LAST = 2**63 - 1
#: What stands behind a run in a list; the first term ends the index search.
_BEHIND = """(runs.due_us <= :after_due AND (
    (runs.due_us, runs.turn) < (:after_due, :after_turn)
    OR ((runs.due_us, runs.turn) = (:after_due, :after_turn)
        AND (runs.plugin_id, runs.kind) > (:after_plugin, :after_kind))
))"""


class LedgerReader(AgingReader):
    """The `Ledger` of one file; ``async with`` opens and closes it.

    Parameters
    ----------
    path
        The database file.
    blobs
        The folder of its large values; default ``blobs/<name>`` beside it.
    """

    async def runs(self, which: RunFilter) -> Sequence[RunRow]:
        """List runs, newest due first.

        ``since`` and ``until`` are both included; a span counts when any of it lies between them.
        """
        name = "ids" if which.plugin_id is None else "ids_of_plugin"
        ids = query(name).replace("{conditions}", _conditions(which))
        found = await self._file.rows(query("runs_of").replace("{ids}", ids), _values(which))
        return [rows.decode_run(row, self._large(row[LARGE])) for row in found]

    def _large(self, names: str) -> Mapping[str, Encoded]:
        """Read the large outputs of a run from their files; ``names`` are theirs with hashes."""
        return {name: self._blobs.read(blob) for name, blob in codec.decode_texts(names).items()}

    async def run(self, run_id: str) -> RunRow | None:
        """Give one run."""
        key = rows.parse_run_id(run_id)
        if key is None:
            return None
        found = await self._file.rows(query("run_by_key"), rows.encode_key(key))
        return (await _with_blobs(self._file, found, self._blobs))[0] if found else None

    async def attempts(self, run_id: str) -> Sequence[AttemptRow]:
        """Give the attempts of one run, oldest first."""
        found = await self._file.rows(query("attempts"), (await self._file.number_of(run_id),))
        return [rows.decode_attempt(RunId(run_id), row) for row in found]

    async def events(self, run_id: str) -> Sequence[EventRow]:
        """Give the events that one run published, in their order."""
        number = await self._file.number_of(run_id)
        found = await self._file.rows(query("events"), (json.dumps([number]),))
        return events_from(found, lambda _: RunId(run_id), self._blobs.read)

    async def log(self, run_id: str) -> Sequence[LogRow]:
        """Give what the attempts of one run printed."""
        found = await self._file.rows(query("logs"), (await self._file.number_of(run_id),))
        return [rows.decode_log(RunId(run_id), row) for row in found]

    async def notes(
        self, *, kind: str | None = None, since: datetime | None = None
    ) -> Sequence[NoteRow]:
        """List notes, newest first."""
        earliest = _FIRST[0] if since is None else to_us(since)
        return [
            rows.decode_note(row) for row in await self._file.rows(query("notes"), (earliest, kind))
        ]

    async def latest_notes(
        self,
        kind: str,
        *,
        subject: str | None = None,
        place: tuple[datetime, int] | None = None,
        limit: int,
    ) -> Sequence[NoteRow]:
        """List notes of one kind (of one subject), newest first, up to a place in that order.

        ``place`` is the latest instant, and how many notes of that instant are left out.
        """
        conditions = "" if subject is None else " AND subject = :subject"
        asked = query("latest_notes").replace("{conditions}", conditions)
        values = {
            "kind": kind,
            "subject": subject,
            "until": _LAST if place is None else to_us(place[0]),
            "skip": 0 if place is None else place[1],
            "limit": limit,
        }
        return [rows.decode_note(row) for row in await self._file.rows(asked, values)]

    async def context(self) -> Sequence[ContextValue]:
        """Give the last committed shared context, by name."""
        return values_from(await self._file.rows(query("context")), self._blobs.read)

    async def writes(self, run_id: str) -> Sequence[Statement]:
        """Give the table writes that one run made."""
        number = await self._file.number_of(run_id)
        found = await self._file.rows(query("writes"), (json.dumps([number]),))
        return codec.decode_statements(found[0][1]) if found else ()

    async def records(self) -> AsyncIterator[RunRecord]:
        """Go through all runs with what they left, by (due, turn, plugin id, kind), as of now.

        On a connection of its own with one read transaction, so that a service may go on writing.
        """
        async with LedgerFile(self._file.path) as file:
            await file.rows("BEGIN")
            page = await file.rows(query("runs_after"), (*_FIRST, _PAGE))
            while page:
                for record in await _records_of(file, page, self._blobs):
                    yield record
                last = page[-1]
                after = (last[rows.DUE], last[rows.TURN], last[rows.PLUGIN_ID], last[rows.KIND])
                page = await file.rows(query("runs_after"), (*after, _PAGE))

    async def meta(self) -> Mapping[str, str]:
        """Give the facts about this ledger itself."""
        return dict(await self._file.rows(query("meta")))

    async def configs(
        self, *, hash_: str | None = None, limit: int = 50
    ) -> Sequence[ConfigVersion]:
        """List the accepted configurations (all, or those with one hash), newest first."""
        found = await self._file.rows(query("configs"), (hash_, limit))
        return [rows.decode_config(row) for row in found]


async def _with_blobs(file: LedgerFile, found: Sequence[Row], blobs: BlobFiles) -> list[RunRow]:
    ids = json.dumps([row[ID] for row in found])
    large = await file.rows(query("run_blobs"), (ids,))
    return runs_from(found, large, blobs.read)


async def _records_of(file: LedgerFile, page: Sequence[Row], blobs: BlobFiles) -> list[RunRecord]:
    ids = json.dumps([row[ID] for row in page])
    names = {row[ID]: rows.decode_key(row).run_id for row in page}
    events: dict[RunId, list[EventRow]] = {}
    found = await file.rows(query("events"), (ids,))
    for event in events_from(found, lambda row: names[row[8]], blobs.read):
        events.setdefault(event.run_id, []).append(event)
    writes: dict[int, bytes] = dict(await file.rows(query("writes"), (ids,)))
    return [
        RunRecord(
            run,
            events.get(run.run_id, ()),
            codec.decode_statements(writes[row[ID]]) if row[ID] in writes else (),
        )
        for run, row in zip(await _with_blobs(file, page, blobs), page, strict=True)
    ]


def _conditions(which: RunFilter) -> str:
    """Spell the conditions of a filter other than the plugin, whose query knows ``since``."""
    until = "(runs.due_us <= :until OR runs.first_us <= :until)"
    said = (
        (which.status, "runs.status = :status"),
        (which.kind, "runs.kind = :kind"),
        (which.since if which.plugin_id is None else None, "runs.due_us >= :since"),
        (which.until, until),
        (which.after, _BEHIND),
    )
    return "".join(f" AND {condition}" for value, condition in said if value is not None)


def _values(which: RunFilter) -> dict[str, object]:
    return {
        "plugin_id": which.plugin_id,
        "status": which.status,
        "kind": None if which.kind is None else which.kind.value,
        "since": codec.maybe_us(which.since),
        "until": codec.maybe_us(which.until),
        "limit": which.limit,
        **_place(which.after),
    }


def _place(after: RunKey | None) -> dict[str, object]:
    """Give where a list goes on; nothing where it begins."""
    if after is None:
        return {}
    values = rows.encode_key(after)
    return dict(zip(("after_plugin", "after_due", "after_turn", "after_kind"), values, strict=True))
