"""What the API tells from files: the ledger, the configuration, the tokens."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from optifire.app.costs import cost_row, costs
from optifire.app.lineage import whole_run
from optifire.app.reading import known_of
from optifire.app.showing import settings_with_sources
from optifire.core.errors import UsageError
from optifire.core.ledger import RunFilter
from optifire.host.records import instant_text, record_of
from optifire.store.rows import parse_run_id
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from optifire.api.ports import RunsAsked, Shape
    from optifire.app.kept_ledger import KeptLedger
    from optifire.app.service import Service
    from optifire.core.ledger import NoteRow
    from optifire.host.tokens import TokenFile
    from optifire.store.cycles import Cycle

#: The kind of the notes that say what was changed over the API.
AUDIT = "api"
#: Versions of the configuration that one answer lists.
MOST_VERSIONS = 200


class LedgerReading:
    """Answers from the ledger of a service, and from its files."""

    def __init__(self, service: Service, ledger: KeptLedger, tokens: TokenFile) -> None:
        self._service = service
        self._ledger = ledger
        self._tokens = tokens

    @property
    def _path(self) -> Path:
        return self._ledger.path

    async def runs(self, asked: RunsAsked) -> Shape:
        """Give one page of runs."""
        after = None if asked.cursor is None else parse_run_id(asked.cursor)
        if asked.cursor is not None and after is None:
            raise _no_cursor()
        which = RunFilter(
            plugin_id=asked.plugin,
            status=None if asked.status is None else asked.status.value,
            since=asked.since,
            until=asked.until,
            limit=asked.limit + 1,
            after=after,
        )
        rows = await (await self._ledger()).runs(which)
        page = rows[: asked.limit]
        more = len(rows) > asked.limit
        return {
            "items": [record_of(row, to_json) for row in page],
            "next": page[-1].run_id if more else None,
        }

    async def run(self, run_id: str, *, logs: bool) -> Shape:
        """Give one run with attempts, events and lineage."""
        return await whole_run(self._path, run_id, logs=logs)

    async def cycles(self, limit: int, cursor: str | None) -> Shape:
        """Give one page of cycles."""
        after = None if cursor is None else _place_of(cursor, "t")
        found = await (await self._ledger()).cycles(limit=limit + 1, after=after)
        page = found[:limit]
        more = len(found) > limit
        return {
            "items": [_shape_of(each) for each in page],
            "next": f"{instant_text(page[-1].due)}.t{page[-1].turn}" if more else None,
        }

    async def config(self) -> Shape:
        """Give settings with sources, and versions with authors."""
        versions = await (await self._ledger()).configs(limit=MOST_VERSIONS)
        return {
            "settings": await asyncio.to_thread(settings_with_sources, self._service.home),
            "versions": [
                {"hash": each.hash, "at": instant_text(each.at), "author": each.author}
                for each in versions
            ],
        }

    async def budgets(self, days: int) -> Sequence[Shape]:
        """Give what runs used against their budgets."""
        found = await costs(known_of(self._service), self._path, (), days=days)
        return [cost_row(found, each) for each in found.chosen if each in found.found]

    async def audit(self, limit: int, cursor: str | None) -> Shape:
        """Give one page of what was asked to be changed over the API, and what was refused."""
        place = None if cursor is None else _place_of(cursor, "n")
        notes = await (await self._ledger()).latest_notes(AUDIT, place=place, limit=limit + 1)
        page = notes[:limit]
        more = len(notes) > limit
        return {
            "items": [
                {"at": instant_text(note.at), "subject": note.subject, "text": note.text}
                for note in page
            ],
            "next": _behind(page, place) if more else None,
        }

    def tokens(self) -> Sequence[Shape]:
        """Give every token without its secret."""
        return [dict(token.plain()) for token in self._tokens.all()]


def _shape_of(cycle: Cycle) -> Shape:
    return {
        "due": instant_text(cycle.due),
        "turn": cycle.turn,
        "runs": sum(cycle.statuses.values()),
        "statuses": {status.value: count for status, count in cycle.statuses.items()},
        "started_at": None if cycle.started_at is None else instant_text(cycle.started_at),
        "finished_at": None if cycle.finished_at is None else instant_text(cycle.finished_at),
    }


def _behind(page: Sequence[NoteRow], place: tuple[datetime, int] | None) -> str:
    """Give the cursor behind a page: its last instant, and how many notes of it have been given."""
    last = page[-1].at
    given = sum(note.at == last for note in page)
    if place is not None and place[0] == last:
        given += place[1]
    return f"{instant_text(last)}.n{given}"


def _place_of(cursor: str, mark: str) -> tuple[datetime, int]:
    """Give due and turn of the last cycle of a page, or instant and number of its last note."""
    text, _, number = cursor.rpartition(f".{mark}")
    try:
        due = datetime.fromisoformat(text)
        place = due, int(number)
    except ValueError:
        raise _no_cursor() from None
    if due.tzinfo is None or f"{instant_text(due)}.{mark}{place[1]}" != cursor or place[1] < 0:
        raise _no_cursor()
    return place


def _no_cursor() -> UsageError:
    return UsageError(
        "is no cursor", where="cursor", remedy="Give `next` of the page before, as it is"
    )
