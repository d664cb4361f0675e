"""Reading what a ledger comes to over time: counts, roll-ups, and which runs have had theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from optifire.store import rows
from optifire.store.blobs import BlobFiles, blobs_of
from optifire.store.codec import to_us
from optifire.store.cycles import LATEST, cycles_from
from optifire.store.ledgerfile import OpenFile
from optifire.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from optifire.core.ledger import Limits, Rollup, RunFilter, SharedRow
    from optifire.core.types import RunId
    from optifire.store.cycles import Cycle

#: So many rows of each plugin, symbol and name stay in a shared table whatever their age: who
#: writes seldom still finds what it wrote last.
LEAST_ROWS: Final = 10


class AgingReader(OpenFile):
    """One ledger file, open for reading inside ``async with``, and what is counted in it."""

    def __init__(self, path: Path, *, blobs: Path | None = None) -> None:
        super().__init__(path)
        self._blobs = BlobFiles(blobs if blobs is not None else blobs_of(path))

    async def statuses(self) -> Mapping[str, Mapping[str, int]]:
        """Count occurrences: plugin id -> status -> how many."""
        counted: dict[str, dict[str, int]] = {}
        for plugin_id, status, count in await self._file.rows(query("statuses")):
            counted.setdefault(plugin_id, {})[status] = count
        return counted

    async def cycles(
        self, *, limit: int, after: tuple[datetime, int] | None = None
    ) -> Sequence[Cycle]:
        """List cycles, the latest due first; ``after`` is due and turn of the one before."""
        due, turn = (LATEST, 0) if after is None else (to_us(after[0]), after[1])
        asked = {"due": due, "turn": turn, "limit": limit}
        return list(cycles_from(await self._file.rows(query("cycles"), asked)))

    async def prunable(self, limits: Limits, most: int) -> Sequence[RunId]:
        """List runs beyond the limits that nothing needs any more, the earliest due first."""
        needed = {run_id for (run_id,) in await self._file.rows(query("producers"))}
        asked = {
            "before": to_us(limits.before),
            "most": limits.most,
            "least": limits.least,
            "limit": most + len(needed),
        }
        found = await self._file.rows(query("prunable"), asked)
        names = (rows.decode_key(row).run_id for row in found)
        return [name for name in names if name not in needed][:most]

    async def prunable_rows(self, before: datetime, most: int) -> Sequence[SharedRow]:
        """List rows of shared tables of before an instant, the oldest first.

        The newest ten of each plugin, symbol and name are never among them.
        """
        asked = {"before": to_us(before), "least": LEAST_ROWS, "limit": most}
        return [(name, row) for name, row in await self._file.rows(query("prunable_rows"), asked)]

    async def rollups(self, which: RunFilter) -> Sequence[Rollup]:
        """Give what ended runs came to by plugin, day and status, the latest day first."""
        found = await self._file.rows(query("rollups"), _days(which))
        return [rows.decode_rollup(row) for row in found]


def _days(which: RunFilter) -> dict[str, object]:
    """Give a filter in whole days of UTC since the epoch."""
    return {
        "plugin_id": which.plugin_id,
        "status": which.status,
        "since": None if which.since is None else to_us(which.since) // rows.DAY_US,
        "until": None if which.until is None else to_us(which.until) // rows.DAY_US,
        "limit": which.limit,
    }
