"""Who is quarantined by what the ledger says, so that a restart changes nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from optifire.app.switches import ENABLED
from optifire.core.ledger import RunFilter
from optifire.core.run import RunStatus
from optifire.core.types import PluginId
from optifire.runtime.quarantine import FAILURES, Standing, recalled
from optifire.runtime.standings import CHANGED, QUARANTINED, RELEASED, Standings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from optifire.core.job import Job
    from optifire.core.ledger import Batch, NoteRow, RunRow
    from optifire.store.reader import LedgerReader

log = logging.getLogger("optifire.service")

#: Ends of runs that were started, which may have been trials, and of those that go on.
_STARTED: Final = FAILURES | {
    RunStatus.SUCCEEDED,
    RunStatus.SKIPPED,
    RunStatus.CANCELLED,
    RunStatus.PREEMPTED,
    RunStatus.LOST,
    RunStatus.RUNNING,
}
#: Rows since the last success that are looked at, of each plugin and way to end, at most.
_MOST_ROWS: Final = 500
#: How long after its due instant a run starts, at most, that is looked for: a week, of which the
#: ledger has an index.
_LATEST: Final = timedelta(days=7)
_EVER: Final = datetime.min.replace(tzinfo=UTC)


async def recall(
    ledger: LedgerReader,
    jobs: Mapping[PluginId, Job],
    counts: Mapping[str, Mapping[str, int]],
    most: int,
    *,
    alive: bool = False,
    anew: Collection[PluginId] = (),
) -> Standings:
    """Give how plugins stood by their runs since code and settings were last found changed.

    `Standings.adopt` then takes up the jobs, and sees who has changed since.

    Parameters
    ----------
    counts
        How often each status was reached, by plugin.
    most
        Failures in a row after which a plugin is quarantined.
    alive
        Whether a service makes the runs that go on; else nobody does any more.
    anew
        Plugins switched on while no service looked, which begin anew.
    """
    changes = await ledger.notes(kind=CHANGED)
    prints = {PluginId(note.subject): note.text for note in reversed(changes)}
    since = _latest([*changes, *await ledger.notes(kind=ENABLED)])
    known: dict[PluginId, Standing] = {}
    for plugin_id in jobs.keys() & prints.keys() - set(anew):
        ends = {RunStatus(each) for each in counts.get(plugin_id, {})} & _STARTED
        if ends & FAILURES:
            changed = since[plugin_id]
            rows = await _rows(ledger, plugin_id, ends, changed - _LATEST)
            known[plugin_id] = recalled(rows, changed, most)
    if not alive:
        known = {each: replace(one, trial=None) for each, one in known.items()}
    return Standings(most, known, prints)


def _latest(notes: Iterable[NoteRow]) -> Mapping[str, datetime]:
    """Give the latest instant of the notes about each subject."""
    found: dict[str, datetime] = {}
    for note in notes:
        found[note.subject] = max(note.at, found.get(note.subject, _EVER))
    return found


async def _rows(
    ledger: LedgerReader, plugin_id: PluginId, ends: AbstractSet[RunStatus], since: datetime
) -> list[RunRow]:
    """Give the latest success of a plugin, and the runs that were started since."""
    good = RunStatus.SUCCEEDED
    found: list[RunRow] = []
    if good in ends:
        which = RunFilter(plugin_id=plugin_id, status=good, since=since, limit=1)
        found += await ledger.runs(which)
    since = found[0].key.due if found else since
    for status in sorted(ends - {good}):
        which = RunFilter(plugin_id=plugin_id, status=status, since=since, limit=_MOST_ROWS)
        found += await ledger.runs(which)
    return found


def tell(batch: Batch) -> None:
    """Log who has been quarantined, and who no longer is."""
    for note in batch.notes:
        if note.kind == QUARANTINED:
            log.warning("%s is quarantined: %s", note.subject, note.text)
        elif note.kind == RELEASED:
            log.info("%s is no longer quarantined: %s", note.subject, note.text)
