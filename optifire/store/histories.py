"""What the runs of a ledger used, by plugin: counted and sorted in the database, not here."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.core.budget import Budget
from optifire.core.history import History, Spread
from optifire.core.types import PluginId
from optifire.store.ledgerfile import LedgerFile
from optifire.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

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
    file = LedgerFile(path)
    await file.open()
    try:
        await file.rows("BEGIN")
        since = await _since(file, days)
        cpu = await _spreads(file, "cpu_ms", since, good_in)
        mem = await _spreads(file, "mem_mb", since, good_in)
        counted = await file.rows(query("ended_runs"), (since,))
        budgets = await file.rows(query("last_budgets"), (since,))
    finally:
        await file.close()
    return _together(counted, cpu, mem, {row[0]: Budget(row[1], row[2]) for row in budgets})


async def _since(file: LedgerFile, days: int | None) -> int:
    latest = (await file.rows(query("latest_due")))[0][0]
    if days is None or latest is None:
        return _ALWAYS
    return int(latest) - timedelta(days=days) // timedelta(microseconds=1)


async def _spreads(
    file: LedgerFile, figure: str, since: int, good_in: Callable[[PluginId], str] | None
) -> dict[str, Spread]:
    asked = {"since": since, "good": good_in is not None}
    found = await file.rows(query("spreads").replace("{figure}", figure), asked)
    return {
        row[0]: Spread(*row[2:]) for row in found if good_in is None or good_in(row[0]) == row[1]
    }


def _together(
    counted: list[Row],
    cpu: Mapping[str, Spread],
    mem: Mapping[str, Spread],
    budgets: Mapping[str, Budget],
) -> dict[PluginId, History]:
    """Join what was counted with what was sorted, by plugin."""
    made: dict[PluginId, History] = {}
    for plugin_id in sorted({row[0] for row in counted}):
        measured: Counter[str] = Counter()
        soft: Counter[str] = Counter()
        hard: Counter[str] = Counter()
        for _, how, breaches, stopped_for, runs in (r for r in counted if r[0] == plugin_id):
            measured[how] += runs
            if stopped_for is not None:
                hard[stopped_for] += runs
            else:
                soft.update(dict.fromkeys(filter(None, breaches.split(",")), runs))
        made[PluginId(plugin_id)] = History(
            runs=measured.total(),
            cpu=cpu.get(plugin_id),
            mem=mem.get(plugin_id),
            measured=measured,
            soft=soft,
            hard=hard,
            budget=budgets.get(plugin_id),
        )
    return made
