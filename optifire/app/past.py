"""What a service takes from its ledger when it opens: what was on, what ran, who stood how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from optifire.app.alarms import START, UNCLEAN
from optifire.app.holidays import HOLIDAY
from optifire.app.living import lives_in
from optifire.app.pausing import pauses_in
from optifire.app.quarantining import recall
from optifire.app.status import RunBoard
from optifire.app.switches import DISABLED, ENABLED, last_switches, switched_meanwhile
from optifire.core.ledger import ConfigVersion, RunFilter, RunRow
from optifire.core.run import RunStatus
from optifire.core.types import PluginId
from optifire.host.lifecycle import Lifecycle
from optifire.runtime.pauses import Pauses
from optifire.runtime.standings import Standings
from optifire.store.reader import LedgerReader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from optifire.core.job import Job
    from optifire.core.settings import SystemSettings

#: Rows of which the screen remembers the last one of each plugin.
MOST_REMEMBERED = 2000
#: Rows in which those missed in the last session are looked for.
MOST_MISSED = 1000


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger tells of the time before.

    Attributes
    ----------
    started, stopped
        What was switched on, and off, while no service looked.
    holiday
        When the latest market holiday was written down.
    runs
        The last run of each plugin, and how all of them ended.
    standings
        Who keeps failing.
    missed
        The latest runs that were found too late, the oldest first.
    pauses
        Who is paused, or was.
    configured
        The configuration that was accepted last, None before the first.
    lives
        Where each plugin is, by its transitions.
    unclean
        When starts of the last day followed an end that was no stop.
    """

    started: list[PluginId]
    stopped: list[PluginId]
    holiday: datetime | None
    runs: RunBoard
    standings: Standings
    missed: Sequence[RunRow]
    pauses: Pauses
    configured: ConfigVersion | None
    lives: Lifecycle
    unclean: Sequence[datetime]


async def read_past(
    path: Path, jobs: Mapping[PluginId, Job], system: SystemSettings, now: datetime
) -> Past:
    """Read a ledger for those who run now."""
    async with LedgerReader(path) as ledger:
        notes = [*await ledger.notes(kind=ENABLED), *await ledger.notes(kind=DISABLED)]
        notes.sort(key=lambda note: note.at, reverse=True)
        started, stopped = switched_meanwhile(last_switches(notes), jobs)
        holidays = await ledger.notes(kind=HOLIDAY)
        rows = await ledger.runs(RunFilter(limit=MOST_REMEMBERED))
        counts = await ledger.statuses()
        missed = await ledger.runs(RunFilter(status=RunStatus.MISSED, limit=MOST_MISSED))
        standings = await recall(ledger, jobs, counts, system.quarantine_after, anew=started)
        pauses = await pauses_in(ledger)
        lives = await lives_in(ledger)
        latest = next(iter(await ledger.configs(limit=1)), None)
        starts = await ledger.notes(kind=START, since=now - timedelta(days=1))
    holiday = holidays[0].at if holidays else None
    board = RunBoard(reversed(rows), counts)
    unclean = [note.at for note in starts if note.text == UNCLEAN]
    ran = (board, standings, missed[::-1], pauses)
    return Past(started, stopped, holiday, *ran, latest, lives, unclean)
