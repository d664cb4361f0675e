"""What retention asks of a ledger in memory: which runs may go, and what remains of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from optifire.core.ledger import Rollup
from optifire.core.run import TERMINAL, RunStatus
from optifire.core.types import PluginId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, MutableMapping

    from optifire.core.ledger import Limits, RunFilter, RunRow
    from optifire.core.types import RunId

#: Plugin, UTC day of the due, status.
RollupKey = tuple[PluginId, date, RunStatus]


def add_run(rollups: MutableMapping[RollupKey, Rollup], run: RunRow) -> None:
    """Add what an ended run used to the roll-up of its day."""
    key = (run.key.plugin_id, run.key.due.date(), run.status)
    old = rollups.get(key, Rollup(*key, 0, 0, 0.0, None, None))
    rollups[key] = replace(
        old,
        count=old.count + run.count,
        attempts=old.attempts + run.attempts,
        cpu_ms=old.cpu_ms + (run.usage.cpu_ms or 0.0),
        most_cpu_ms=_larger(old.most_cpu_ms, run.usage.cpu_ms),
        most_mem_mb=_larger(old.most_mem_mb, run.usage.mem_mb),
    )


def _larger(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)


def matching(rollups: Iterable[Rollup], which: RunFilter) -> list[Rollup]:
    """Give those that a filter lets through, the latest day first."""
    since = None if which.since is None else which.since.date()
    until = None if which.until is None else which.until.date()
    found = [
        each
        for each in rollups
        if which.plugin_id in (None, each.plugin_id)
        and which.status in (None, each.status.value)
        and (since is None or each.day >= since)
        and (until is None or each.day <= until)
    ]
    found.sort(key=lambda each: (-each.day.toordinal(), each.plugin_id, each.status.value))
    return found[: which.limit]


def beyond(runs: Iterable[RunRow], limits: Limits, needed: Collection[RunId]) -> list[RunRow]:
    """Give the runs that have had their time, the earliest due first.

    ``needed`` are runs that stay in any case, as do those of an instant at which one is open.
    """
    ordered = sorted(runs, key=_place)
    unfinished = {run.key.due for run in ordered if run.status not in TERMINAL}
    places: Counter[object] = Counter()
    found: list[RunRow] = []
    for run in reversed(ordered):
        group = (run.key.plugin_id, run.key.kind, run.status)
        places.update((run.key.plugin_id, group))
        old = run.key.due < limits.before or places[run.key.plugin_id] > limits.most
        stays = places[group] <= limits.least or run.run_id in needed or run.key.due in unfinished
        if old and not stays:
            found.append(run)
    return found[::-1]


def _place(run: RunRow) -> tuple[object, ...]:
    return run.key.due, run.key.turn, run.key.plugin_id, run.key.kind.value
