"""What became of the cycles that a ledger knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from optifire.core.run import RunStatus
from optifire.store.codec import from_us, maybe_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optifire.store.rows import Row

#: Statuses of a run that has not ended.
OPEN = frozenset({RunStatus.DUE, RunStatus.RUNNING})
#: An instant after every other one, in microseconds.
LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cycle:
    """The scheduled runs of one (due, turn).

    ``statuses`` counts them by status; ``started_at`` is the first start, None before it;
    ``finished_at`` the last end, None while a run has not ended.
    """

    due: datetime
    turn: int
    statuses: Mapping[RunStatus, int]
    started_at: datetime | None
    finished_at: datetime | None


def cycles_from(found: Iterable[Row]) -> Iterator[Cycle]:
    """Make cycles from rows of (due, turn, status, count, first start, last end)."""
    for (due, turn), together in groupby(found, key=itemgetter(0, 1)):
        rows = list(together)
        statuses = {RunStatus(row[2]): row[3] for row in rows}
        starts = [row[4] for row in rows if row[4] is not None]
        ends = [row[5] for row in rows if row[5] is not None]
        finished = None if OPEN & statuses.keys() else max(ends, default=None)
        started = min(starts, default=None)
        yield Cycle(from_us(due), turn, statuses, maybe_instant(started), maybe_instant(finished))
