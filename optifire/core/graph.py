"""Who needs whom: what each name means, which job waits for which, and in which order.

A need is a plugin id, a data name (``vol_forecast``) or a full name (``fe_garch.vol_forecast``).
A string that is both an id and a data name means the id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from optifire.core.job import Need, NeedMode
from optifire.core.names import IS_NOT_LOADED, IS_OFF, Absent, Declaration, Found, Names
from optifire.core.order import cycles, topological
from optifire.core.types import PluginId

__all__ = [
    "IS_NOT_LOADED", "IS_OFF", "Absent", "Declaration", "Edge", "Fault", "Graph", "Trouble",
    "build_graph", "combine_needs",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edge:
    """One need with the name looked up.

    ``producer`` is None for what the host provides; ``key`` is None where the need names a plugin
    as a whole. ``off`` says that the producer makes no runs; ``why`` then says so in words, as in
    ``fe_garch is off``.
    """

    consumer: PluginId
    need: Need
    producer: PluginId | None
    key: str | None
    off: bool = False
    why: str = ""


class Trouble(StrEnum):
    """What can be wrong with what a job asks for."""

    MISSING = "missing"
    AMBIGUOUS = "ambiguous"
    CYCLE = "cycle"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a job cannot be loaded, or (as a note) what is odd about what it asks for.

    ``name`` is the name that was asked for, empty for a cycle.
    """

    plugin_id: PluginId
    trouble: Trouble
    message: str
    remedy: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """The answer for one set of declarations; immutable.

    Attributes
    ----------
    edges
        For every job that can be loaded, what it needs, in the order declared.
    order
        The same jobs, producers before consumers, ties by (priority, id).
    owners
        Who publishes each bare data name.
    ambiguous
        Bare names that several plugins declare; each is published by full name only.
    faults
        For each job that cannot be loaded, all the reasons.
    notes
        What lint should say: inputs and optional needs that nobody provides.
    """

    edges: Mapping[PluginId, tuple[Edge, ...]] = field(default_factory=dict)
    order: tuple[PluginId, ...] = ()
    owners: Mapping[str, PluginId] = field(default_factory=dict)
    ambiguous: Mapping[str, tuple[PluginId, ...]] = field(default_factory=dict)
    faults: Mapping[PluginId, tuple[Fault, ...]] = field(default_factory=dict)
    notes: tuple[Fault, ...] = ()

    def consumers_of(self, plugin_id: str) -> tuple[PluginId, ...]:
        """Give the jobs that need something of a plugin directly, sorted."""
        return tuple(
            sorted(
                consumer
                for consumer, edges in self.edges.items()
                if any(edge.producer == plugin_id for edge in edges)
            )
        )

    def publishes_bare(self, plugin_id: str, key: str) -> bool:
        """Tell whether a declared output is published under its bare name too."""
        return self.owners.get(key) == plugin_id


def combine_needs(*lists: Sequence[Need]) -> tuple[Need, ...]:
    """Join lists of needs; what a later list says about a name replaces what an earlier said.

    Order (``after``) and value are two different things to say about one name; both stand.
    """
    found: dict[tuple[str, bool], Need] = {}
    for need in (need for needs in lists for need in needs):
        found[need.name, need.mode is NeedMode.AFTER] = need
    return tuple(found.values())


def build_graph(
    declared: Iterable[Declaration],
    *,
    absent: Iterable[Absent] = (),
    host_names: Iterable[str] = (),
) -> Graph:
    """Look every name up and order the jobs; whatever is wrong stays with the job it concerns.

    Parameters
    ----------
    declared
        The plugins that are switched on, each id once.
    absent
        Plugins that are known but off or broken: needing them is legal, and skips runs.
    host_names
        Data names that the host itself provides, such as ``market_data``.
    """
    jobs = {each.plugin_id: each for each in declared}
    names = Names(jobs.values(), absent, host_names)
    draft = {plugin_id: _look_up(jobs[plugin_id], names) for plugin_id in sorted(jobs)}
    faults = {plugin_id: found.faults for plugin_id, found in draft.items() if found.faults}
    clean = [plugin_id for plugin_id in draft if plugin_id not in faults]
    producers = {plugin_id: draft[plugin_id].producers() & set(clean) for plugin_id in clean}
    for plugin_id, path in cycles(producers).items():
        faults[plugin_id] = (_cycle_fault(plugin_id, path),)
    loaded = {
        plugin_id: {each for each in wanted if each not in faults}
        for plugin_id, wanted in producers.items()
        if plugin_id not in faults
    }
    order = topological(loaded, {each: jobs[each].priority for each in loaded})
    return Graph(
        edges={
            plugin_id: tuple(_mark_unloaded(edge, faults) for edge in draft[plugin_id].edges)
            for plugin_id in order
        },
        order=order,
        owners=names.owners,
        ambiguous=names.ambiguous,
        faults=faults,
        notes=tuple(note for found in draft.values() for note in found.notes),
    )


def _mark_unloaded(edge: Edge, faults: Mapping[PluginId, object]) -> Edge:
    if edge.producer is None or edge.producer not in faults:
        return edge
    why = f"{edge.producer} {IS_NOT_LOADED}"
    return Edge(edge.consumer, edge.need, edge.producer, edge.key, off=True, why=why)


def _cycle_fault(plugin_id: PluginId, path: Sequence[PluginId]) -> Fault:
    return Fault(
        plugin_id,
        Trouble.CYCLE,
        f"dependency cycle {' -> '.join(path)}",
        "Remove one of these dependencies; a need on an older value may be read from "
        "context.data instead",
    )


@dataclass(slots=True)
class _Lookup:
    """What looking up all names of one job gave."""

    edges: tuple[Edge, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[Fault, ...] = ()

    def producers(self) -> set[PluginId]:
        return {edge.producer for edge in self.edges if edge.producer is not None}


def _look_up(job: Declaration, names: Names) -> _Lookup:
    """Look up dependencies, then those inputs that somebody outputs."""
    result = _Lookup()
    for need in job.needs:
        found = names.find(need.name)
        if isinstance(found, Found):
            result.edges += (_edge(job.plugin_id, need, found, names),)
        elif found:
            result.faults += (_ambiguous(job.plugin_id, need.name, found),)
        elif need.mode is NeedMode.OPTIONAL:
            result.notes += (_missing(job.plugin_id, f"optional {need.name!r}", need, names),)
        else:
            result.faults += (_missing(job.plugin_id, repr(need.name), need, names),)
    for name in job.inputs:
        found = names.find(name, fold=False)
        if isinstance(found, Found):
            edge = _edge(job.plugin_id, Need(name), found, names)
            said = {(each.producer, each.key) for each in result.edges if _is_value(each)}
            result.edges += () if (edge.producer, edge.key) in said else (edge,)
        elif found:
            result.faults += (_ambiguous(job.plugin_id, name, found),)
        else:
            result.notes += (_missing(job.plugin_id, f"input {name!r}", Need(name), names),)
    return result


def _is_value(edge: Edge) -> bool:
    return edge.need.mode is not NeedMode.AFTER


def _edge(consumer: PluginId, need: Need, found: Found, names: Names) -> Edge:
    idle = names.off.get(found.producer) if found.producer is not None else None
    why = f"{idle.plugin_id} {idle.why}" if idle else ""
    return Edge(consumer, need, found.producer, found.key, off=idle is not None, why=why)


def _ambiguous(plugin_id: PluginId, name: str, who: Sequence[PluginId]) -> Fault:
    return Fault(
        plugin_id,
        Trouble.AMBIGUOUS,
        f"{name!r} is ambiguous: {' and '.join(who)} both output it",
        f"Write the full name, such as {who[0]}.{name}",
        name,
    )


def _missing(plugin_id: PluginId, what: str, need: Need, names: Names) -> Fault:
    message, remedy = f"nobody provides {what}", names.nearest(need.name)
    return Fault(plugin_id, Trouble.MISSING, message, remedy, need.name)
