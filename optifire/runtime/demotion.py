"""Which inline plugins run isolated for now, because of what they did to the service."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from optifire.core.job import Job, Placement
from optifire.core.types import PluginId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.ledger import Batch, RunRow

#: Runs over their processor budget after which a plugin is no longer inline.
MOST_OVER: Final = 3


@dataclass(frozen=True, slots=True)
class Demoted:
    """One plugin that is no longer inline, and what it did; ``why`` is a sentence without it."""

    plugin_id: PluginId
    why: str


class Demotions:
    """Decides by what inline plugins do; until the next start, or until `forget`."""

    def __init__(self) -> None:
        self._over: Counter[PluginId] = Counter()
        self._demoted: dict[PluginId, Demoted] = {}
        self._fresh: asyncio.Queue[Demoted] = asyncio.Queue()

    @property
    def standing(self) -> Mapping[PluginId, Demoted]:
        """Give every plugin that is demoted now."""
        return self._demoted

    def blocked(self, plugin_id: PluginId, why: str) -> None:
        """Demote a plugin that blocked the event loop."""
        self._demote(Demoted(plugin_id, why))

    def listen(self, batch: Batch) -> None:
        """Take in a committed batch: count what went over its processor budget inline."""
        for row in batch.runs:
            if row.worker == Placement.INLINE and row.finished_at and "cpu" in row.breaches:
                self._count(row)

    def _count(self, row: RunRow) -> None:
        plugin_id = row.key.plugin_id
        self._over[plugin_id] += 1
        if self._over[plugin_id] >= MOST_OVER:
            used = (
                ""
                if row.usage.cpu_ms is None
                else f", the last time with {row.usage.cpu_ms:,.1f} ms"
            )
            self._demote(
                Demoted(plugin_id, f"was over its processor budget {MOST_OVER} times{used}")
            )

    def _demote(self, found: Demoted) -> None:
        if found.plugin_id not in self._demoted:
            self._demoted[found.plugin_id] = found
            self._fresh.put_nowait(found)

    async def next(self) -> Demoted:
        """Wait for the next plugin to be demoted."""
        return await self._fresh.get()

    def forget(self) -> None:
        """Begin anew: the operator has changed what runs."""
        self._over.clear()
        self._demoted.clear()

    def applied(self, jobs: Mapping[PluginId, Job]) -> Mapping[PluginId, Job]:
        """Give the jobs as they run now: those demoted in a process of their own."""
        return {
            plugin_id: replace(job, placement=Placement.ISOLATED)
            if job.placement is Placement.INLINE and plugin_id in self._demoted
            else job
            for plugin_id, job in jobs.items()
        }
