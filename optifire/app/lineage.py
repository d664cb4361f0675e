"""Everything about one run, and where each of its numbers came from, back to recorded data."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from optifire.app.status import BACKFILL, MANUAL
from optifire.core.errors import NotFoundError
from optifire.core.ledger import RunFilter
from optifire.core.run import RunKind
from optifire.host.records import attempt_of, instant_text, record_of
from optifire.store.reader import LedgerReader
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.ledger import RunRow

#: Ids that an error about an unknown run offers.
MOST_OFFERED = 3


async def whole_run(path: Path, run_id: str, *, logs: bool) -> dict[str, Any]:
    """Give a run record with ``attempts``, ``events``, ``lineage`` and, if asked for, ``logs``.

    Of a run by hand ``why`` is the reason that was given, of a backfill who asked for which
    stretch.

    Raises
    ------
    NotFoundError
        The ledger has no such run; near ones are offered.
    """
    async with LedgerReader(path) as ledger:
        row = await ledger.run(run_id)
        if row is None:
            raise await unknown_run(ledger, run_id, path)
        info = record_of(row, to_json)
        info["why"] = await _why(ledger, row)
        info["attempts"] = [attempt_of(each) for each in await ledger.attempts(run_id)]
        info["events"] = [
            {"name": each.name, "source": each.source, "data": to_json(each.data)}
            for each in await ledger.events(run_id)
        ]
        info["lineage"] = await _lineage(ledger, row, set())
        if logs:
            info["logs"] = [
                {"attempt": each.attempt, "text": each.text.decode(errors="replace")}
                for each in await ledger.log(run_id)
            ]
    return info


async def _why(ledger: LedgerReader, row: RunRow) -> str | None:
    """Give the reason of a run by hand or of a backfill, None for others."""
    if row.key.kind is RunKind.BACKFILL:
        made = row.started_at or row.key.due
        asked = await ledger.latest_notes(
            BACKFILL, subject=row.key.plugin_id, place=(made, 0), limit=1
        )
        return asked[0].text if asked else None
    return await reason_by_hand(ledger, row) if is_by_hand(row) else None


def is_by_hand(row: RunRow) -> bool:
    """Tell whether a person or a program asked for a run."""
    return row.key.kind is RunKind.MANUAL


async def reason_by_hand(ledger: LedgerReader, row: RunRow) -> str | None:
    """Give who asked for a run by hand and why, None where nobody has noted it."""
    said = await ledger.latest_notes(MANUAL, subject=row.run_id, limit=1)
    return said[0].text if said else None


async def _lineage(ledger: LedgerReader, row: RunRow, told: set[str]) -> dict[str, Any]:
    """Give each input with its source, and the sources of that; a run is told once."""
    found: dict[str, Any] = {}
    for key, source in row.inputs.items():
        said: dict[str, Any] = {
            "run_id": source.run_id,
            "as_of": instant_text(source.as_of),
            "origin": source.origin,
        }
        if source.run_id is not None and source.run_id not in told:
            told.add(source.run_id)
            producer = await ledger.run(source.run_id)
            if producer is not None:
                said["status"] = producer.status.value
                said["inputs"] = await _lineage(ledger, producer, told)
        found[key] = said
    return found


async def unknown_run(ledger: LedgerReader, run_id: str, path: Path) -> NotFoundError:
    """Give the error for an id that no run has: the latest of its plugin, or of the one nearest."""
    named = run_id.partition("@")[0]
    remedy = "`optifire runs` lists runs with their ids"
    for plugin_id in get_close_matches(named, await ledger.statuses(), n=1):
        near = await ledger.runs(RunFilter(plugin_id=plugin_id, limit=MOST_OFFERED))
        remedy = f"The latest of {plugin_id} are {', '.join(each.run_id for each in near)}"
    return NotFoundError(f"there is no run {run_id!r}", where=str(path), remedy=remedy)
