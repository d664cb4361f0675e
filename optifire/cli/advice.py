"""Budgets that follow from history, and what features.yaml becomes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optifire.app.costs import worker_of
from optifire.core.history import FEWEST_RUNS, advise
from optifire.core.types import PluginId, fold_id
from optifire.host.documents import Document
from optifire.host.records import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.app.costs import Costs
    from optifire.core.history import Advice, Spread
    from optifire.host.features import Features

#: The parts of a budget, in their order in a file.
PARTS = ("cpu_ms", "mem_mb")


def advice_row(costs: Costs, plugin_id: PluginId) -> dict[str, Any]:
    """Give one item of ``budgets suggest``.

    Figures are those of runs that succeeded where the plugin runs now (``worker``).
    """
    worker = worker_of(costs.known, plugin_id)
    history, budget = costs.history_of(plugin_id), costs.budget_of(plugin_id)
    advice = advise(history.cpu, history.mem)
    return {
        "plugin_id": plugin_id,
        "enabled": plugin_id in costs.known.catalog.jobs,
        "worker": worker.value,
        "cpu_ms": _part(history.cpu, budget.cpu_ms if budget else None, advice.cpu_ms),
        "mem_mb": _part(history.mem, budget.mem_mb if budget else None, advice.mem_mb),
        "remarks": list(_remarks(advice, worker, sum(history.hard.values()))),
    }


def _part(spread: Spread | None, budget: float | None, suggested: int | None) -> dict[str, Any]:
    return {
        "runs": spread.runs if spread else 0,
        "p99": round(spread.p99, DECIMALS) if spread else None,
        "budget": budget,
        "suggested": suggested,
    }


def _remarks(advice: Advice, worker: str, stopped: int) -> Sequence[str]:
    """Say why something is not suggested, and what the figures cannot tell."""
    said = []
    few = f"too few runs: {{}} succeeded {worker}, {FEWEST_RUNS} are needed".format
    if advice.cpu_ms is None:
        said.append(few(advice.cpu_runs))
    elif not advice.mem_runs:
        said.append("memory was not measured")
    elif advice.mem_mb is None:
        said.append(f"memory: {few(advice.mem_runs)}")
    if stopped:
        said.append(f"{stopped:,} were stopped: nobody knows what they would have used")
    return said


@dataclass(frozen=True, slots=True)
class Change:
    """A budget that becomes another one, each part in its unit; parts that stay are left out."""

    plugin_id: PluginId
    before: Mapping[str, float]
    after: Mapping[str, int]


def changes(costs: Costs) -> list[Change]:
    """Give what differs between suggestions and the budgets in force, of plugins that are on."""
    found = []
    for plugin_id in costs.chosen:
        row, job = advice_row(costs, plugin_id), costs.known.catalog.jobs.get(plugin_id)
        wanted = {key: row[key]["suggested"] for key in PARTS if row[key]["suggested"] is not None}
        held = {} if job is None else {"cpu_ms": job.budget.cpu_ms, "mem_mb": job.budget.mem_mb}
        after = {key: value for key, value in wanted.items() if held.get(key, value) != value}
        if after:
            found.append(Change(plugin_id, {key: held[key] for key in after}, after))
    return found


def edits(features: Features, planned: Sequence[Change]) -> list[tuple[str, Sequence[str], object]]:
    """Give the edits of features.yaml: a budget that has no entry yet is written on one line."""
    plugins = _plugins(features.files[0])
    made: list[tuple[str, Sequence[str], object]] = []
    for each in planned:
        entry = next((plugins[name] for name in plugins if _same(name, each.plugin_id)), None)
        if isinstance(entry, Mapping) and entry.get("budget"):
            made += [(each.plugin_id, ("budget", key), each.after[key]) for key in each.after]
        else:
            made.append((each.plugin_id, ("budget",), dict(each.after)))
    return made


def held_elsewhere(features: Features, change: Change) -> str:
    """Name what outranks features.yaml for a budget (a file of one environment, a variable).

    Empty where features.yaml has the last word.
    """
    base = features.files[0]
    plugins = dict(_plugins(base))
    name = next((each for each in plugins if _same(each, change.plugin_id)), change.plugin_id)
    entry = dict(plugins.get(name) or {})
    entry["budget"] = {**(entry.get("budget") or {}), **change.after}
    data = {**base.data, "plugins": {**plugins, name: entry}}
    changed = replace(features, files=(Document(base.name, data), *features.files[1:]))
    final = changed.entry(change.plugin_id)
    for key, value in change.after.items():
        if final.get(f"budget.{key}") != value:
            return final.source(f"budget.{key}")
    return ""


def _plugins(document: Document) -> Mapping[str, Any]:
    return document.data.get("plugins") or {}


def _same(name: str, plugin_id: str) -> bool:
    return fold_id(name) == fold_id(plugin_id)
