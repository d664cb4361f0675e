"""What the plugins of a home used against their budgets, from configuration and ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from optifire.app.known import Knowledge
from optifire.core.history import History
from optifire.core.job import Placement
from optifire.core.limits import limits_for
from optifire.core.types import PluginId, fold_id
from optifire.host.catalog import not_found
from optifire.host.records import DECIMALS
from optifire.store.histories import histories

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.budget import Budget
    from optifire.core.history import Spread
    from optifire.core.limits import Limits


@dataclass(frozen=True, slots=True)
class Costs:
    """What was asked for of a ledger, beside what holds in its home.

    ``chosen`` are the plugins that were asked for, in their order: those named, else all that ran.
    """

    known: Knowledge
    found: Mapping[PluginId, History]
    chosen: Sequence[PluginId]

    def budget_of(self, plugin_id: PluginId) -> Budget | None:
        """Give the budget in force; of a plugin that is off, that of its latest run."""
        job = self.known.catalog.jobs.get(plugin_id)
        return job.budget if job is not None else self.history_of(plugin_id).budget

    def limits_of(self, plugin_id: PluginId) -> Limits | None:
        """Give the limits in force; None for a plugin that is off or inline, which has none."""
        job = self.known.catalog.jobs.get(plugin_id)
        if job is None or job.placement is Placement.INLINE:
            return None
        return limits_for(job.budget, light=not job.code.modules)

    def history_of(self, plugin_id: PluginId) -> History:
        """Give what its runs used, an empty history if it has none."""
        return self.found.get(plugin_id, History())


async def costs(
    known: Knowledge,
    path: Path | None,
    ids: Sequence[str],
    *,
    days: int | None = None,
    good: bool = False,
) -> Costs:
    """Read what the named plugins used, or all that ran; see `histories`.

    With ``good`` percentiles are those of runs that succeeded where the plugin runs now: a worker
    that a replay reuses pays for imports once, an inline run never. ``path`` is None where the
    home has no ledger yet: then nothing ran.

    Raises
    ------
    NotFoundError
        Neither the home nor the ledger knows an id; it names the nearest ones.
    """
    good_in = partial(worker_of, known) if good else None
    found = {} if path is None else await histories(path, days=days, good_in=good_in)
    names = {fold_id(each): each for each in found}
    names |= {folded: listed.plugin_id for folded, listed in known.catalog.plugins.items()}
    for word in ids:
        if fold_id(word) not in names:
            raise not_found(word, [listed.plugin_id for listed in known.catalog.plugins.values()])
    chosen = dict.fromkeys(names[fold_id(word)] for word in ids) if ids else found
    return Costs(known, found, tuple(chosen))


def worker_of(known: Knowledge, plugin_id: PluginId) -> Placement:
    """Give the kind of worker in which a plugin runs; isolated where nobody says otherwise."""
    job = known.catalog.jobs.get(plugin_id)
    return Placement.ISOLATED if job is None else job.placement


def cost_row(costs: Costs, plugin_id: PluginId) -> dict[str, Any]:
    """Give one item of ``budgets show``."""
    history, budget = costs.history_of(plugin_id), costs.budget_of(plugin_id)
    limits = costs.limits_of(plugin_id)
    cpu = (limits.cpu_hard_ms, limits.cpu_hard_ms) if limits else (None, None)
    mem = (limits.mem_limit_mb, limits.mem_hard_mb) if limits else (None, None)
    return {
        "plugin_id": plugin_id,
        "enabled": plugin_id in costs.known.catalog.jobs,
        "runs": history.runs,
        "cpu_ms": _figures(history.cpu, budget.cpu_ms if budget else None, cpu),
        "mem_mb": _figures(history.mem, budget.mem_mb if budget else None, mem),
        "measured": dict(sorted(history.measured.items())),
        "breaches": {
            kind: {what: counted.get(what, 0) for what in ("cpu", "memory")}
            for kind, counted in (("soft", history.soft), ("hard", history.hard))
        },
    }


def _figures(
    spread: Spread | None, budget: float | None, limits: tuple[float | None, float | None]
) -> dict[str, float | None]:
    """Give how the figures lie, and what holds.

    ``runs`` have a figure, and ``use`` is the part of the budget that p99 is.
    """
    limit, stopped_at = limits
    return {
        "runs": spread.runs if spread else 0,
        "p50": round(spread.p50, DECIMALS) if spread else None,
        "p99": round(spread.p99, DECIMALS) if spread else None,
        "max": round(spread.most, DECIMALS) if spread else None,
        "budget": budget,
        "limit": limit,
        "stopped_at": stopped_at,
        "use": round(spread.p99 / budget, DECIMALS) if spread and budget else None,
    }
