"""What the runs of a ledger used, by plugin, in one pass over it."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.core.budget import Budget
from optifire.core.history import History, spread_of
from optifire.core.run import RunStatus
from optifire.store.ledgerfile import LedgerFile
from optifire.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from optifire.core.types import PluginId
    from optifire.store.rows import Row

#: Before every instant that a ledger knows.
_ALWAYS = -(2**63)


async def histories(
    path: Path, *, days: int | None = None, good_in: Callable[[PluginId], str] | None = None
) -> Mapping[PluginId, History]:
    """Give what the runs of each plugin used, as of one point in time; a service may write on.

    Parameters
    ----------
    path
        The ledger.
    days
        Only runs due in the so many days up to the latest one of the ledger; None: all.
    good_in
        Gives the kind of worker that counts for a plugin. Percentiles are then those of runs that
        succeeded in such a worker; everything else counts all runs.

    Raises
    ------
    StoreError
        There is no ledger, or none that can be read.
    """
    tallies: dict[PluginId, _Tally] = defaultdict(_Tally)
    async with LedgerFile(path) as file:
        await file.rows("BEGIN")
        since = await _since(file, days)
        async with aclosing(file.pages(query("ended_runs"), (since,))) as pages:
            async for page in pages:
                for row in page:
                    tallies[row[0]].add(row, good_in)
    return {plugin_id: tallies[plugin_id].history() for plugin_id in sorted(tallies)}


async def _since(file: LedgerFile, days: int | None) -> int:
    latest = (await file.rows(query("latest_due")))[0][0]
    if days is None or latest is None:
        return _ALWAYS
    return int(latest) - timedelta(days=days) // timedelta(microseconds=1)


class _Tally:
    """What is counted and kept of the runs of one plugin: 16 bytes a run."""

    __slots__ = ("budget", "cpu", "hard", "measured", "mem", "soft")

    def __init__(self) -> None:
        self.measured: Counter[str] = Counter()
        self.soft: Counter[str] = Counter()
        self.hard: Counter[str] = Counter()
        self.cpu = array("d")
        self.mem = array("d")
        self.budget: tuple[float, float] | None = None

    def add(self, row: Row, good_in: Callable[[PluginId], str] | None) -> None:
        """Take in one run, which is due no earlier than those before."""
        plugin_id, worker, status, reason, measured, breaches, cpu, mem, budget_cpu, budget_mem = (
            row
        )
        self.measured[measured] += 1
        if status == RunStatus.OVER_BUDGET:
            self.hard[reason] += 1
        elif breaches:
            self.soft.update(breaches.split(","))
        if budget_cpu is not None:
            self.budget = (budget_cpu, budget_mem)
        if good_in is None or (status == RunStatus.SUCCEEDED and worker == good_in(plugin_id)):
            if cpu is not None:
                self.cpu.append(cpu)
            if mem is not None:
                self.mem.append(mem)

    def history(self) -> History:
        """Give all of it together."""
        return History(
            runs=self.measured.total(),
            cpu=spread_of(self.cpu),
            mem=spread_of(self.mem),
            measured=self.measured,
            soft=self.soft,
            hard=self.hard,
            budget=None if self.budget is None else Budget(*self.budget),
        )
