"""Who needs whom: what each name means, which job waits for which, and in which order.

A need is a plugin id, a data name (``vol_forecast``) or a full name (``fe_garch.vol_forecast``).
A string that is both an id and a data name means the id.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

from optifire.core.job import DEFAULT_PRIORITY, Need, NeedMode
from optifire.core.types import PluginId, fold_id

#: What an edge says of a producer that somebody switched off.
IS_OFF = "is off"
#: What an edge says of a producer that has a load error.
IS_NOT_LOADED = "is not loaded"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one switched-on plugin declares: what it gives, and what it asks for."""

    plugin_id: PluginId
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    priority: int = DEFAULT_PRIORITY


@dataclass(frozen=True, slots=True)
class Absent:
    """A plugin that is known but makes no runs, why (`IS_OFF`, `IS_NOT_LOADED`), and its outputs.

    ``outputs`` is empty where nobody has looked.
    """

    plugin_id: PluginId
    outputs: tuple[str, ...] = ()
    why: str = IS_OFF


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
    """Why a job cannot be loaded, or (as a note) what is odd about what it asks for."""

    plugin_id: PluginId
    trouble: Trouble
    message: str
    remedy: str


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


# --- names ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What a name stands for: a plugin as a whole, one of its outputs, or a name of the host."""

    producer: PluginId | None
    key: str | None


class Names:
    """Everything that a need may name, and who stands behind it."""

    def __init__(
        self,
        declared: Iterable[Declaration],
        absent: Iterable[Absent],
        host_names: Iterable[str],
    ) -> None:
        on = list(declared)
        self.off = {each.plugin_id: each for each in absent}
        self.host = frozenset(host_names)
        self.outputs = {each.plugin_id: each.outputs for each in self.off.values()}
        self.outputs |= {each.plugin_id: each.outputs for each in on}
        self._ids = {fold_id(plugin_id): plugin_id for plugin_id in sorted(self.outputs)}
        producers = _producers(on)
        self.owners = {key: who[0] for key, who in producers.items() if len(who) == 1}
        self.ambiguous = {key: who for key, who in producers.items() if len(who) > 1}
        self._idle_producers = _producers(self.off.values())

    def find(self, name: str, *, fold: bool = True) -> Found | tuple[PluginId, ...]:
        """Give what a name means; several ids where it is ambiguous, none where nobody has it."""
        if name in self.outputs:
            return Found(PluginId(name), None)
        if full := self._full_name(name):
            return full
        if fold and fold_id(name) in self._ids:
            return Found(self._ids[fold_id(name)], None)
        who = (self.owners[name],) if name in self.owners else self.ambiguous.get(name, ())
        if not who and name in self.host:
            return Found(None, name)
        who = who or self._idle_producers.get(name, ())
        return Found(who[0], name) if len(who) == 1 else who

    def _full_name(self, name: str) -> Found | None:
        """Read ``<id>.<key>``, the longest id first, since ids may hold dots themselves."""
        cut = name.rfind(".")
        while cut > 0:
            plugin_id = self._ids.get(fold_id(name[:cut]))
            if plugin_id is not None and name[cut + 1 :] in self.outputs[plugin_id]:
                return Found(plugin_id, name[cut + 1 :])
            cut = name.rfind(".", 0, cut)
        return None

    def nearest(self, name: str) -> str:
        """Give a remedy that names what comes closest, and who could have provided it."""
        known = {*self.outputs, *self.owners, *self.ambiguous, *self._idle_producers, *self.host}
        close = get_close_matches(name, sorted(known), n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(close)}?" if close else "Declare it as an output"
        broken = [
            each.plugin_id
            for each in self.off.values()
            if each.why == IS_NOT_LOADED and not each.outputs
        ]
        if broken:
            hint += f" ({', '.join(sorted(broken))} could not be loaded and may be who provides it)"
        return hint


def _producers(plugins: Iterable[Declaration | Absent]) -> dict[str, tuple[PluginId, ...]]:
    """Give for each declared output who declares it, sorted."""
    found: dict[str, set[PluginId]] = {}
    for plugin in plugins:
        for key in plugin.outputs:
            found.setdefault(key, set()).add(plugin.plugin_id)
    return {key: tuple(sorted(who)) for key, who in sorted(found.items())}


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
    )


def _missing(plugin_id: PluginId, what: str, need: Need, names: Names) -> Fault:
    return Fault(plugin_id, Trouble.MISSING, f"nobody provides {what}", names.nearest(need.name))


# --- order ------------------------------------------------------------------------------------


def cycles(needs: Mapping[PluginId, set[PluginId]]) -> dict[PluginId, tuple[PluginId, ...]]:
    """Give for every node on a cycle the shortest cycle through it.

    ``needs`` maps each node to the nodes it points at, all of them keys. A path starts and ends
    at its smallest id, so that all members of one cycle name it alike.
    """
    found: dict[PluginId, tuple[PluginId, ...]] = {}
    for node in sorted(_not_orderable(needs)):
        if path := _shortest_way_back(node, needs):
            found[node] = path
    return found


def _not_orderable(needs: Mapping[PluginId, set[PluginId]]) -> set[PluginId]:
    """Drop what needs nothing and what nobody needs, again and again: cycles are left, and links.

    It keeps the search for cycles away from the many nodes that are on none.
    """
    left = set(needs)
    while True:
        needed = {each for node in left for each in needs[node]}
        keep = {node for node in left if node in needed and needs[node] & left}
        if keep == left:
            return left
        left = keep


def _shortest_way_back(
    start: PluginId, needs: Mapping[PluginId, set[PluginId]]
) -> tuple[PluginId, ...]:
    """Search breadth first for a way from a node to itself; empty when there is none."""
    came: dict[PluginId, PluginId] = {}
    layer = [start]
    while layer and start not in came:
        further: list[PluginId] = []
        for node in layer:
            for target in sorted(needs[node]):
                if target not in came:
                    came[target] = node
                    further.append(target)
        layer = further
    if start not in came:
        return ()
    path = [came[start]]
    while path[-1] != start:
        path.append(came[path[-1]])
    path.reverse()
    first = path.index(min(path))
    return (*path[first:], *path[:first], path[first])


def topological(
    needs: Mapping[PluginId, set[PluginId]], priority: Mapping[PluginId, int]
) -> tuple[PluginId, ...]:
    """Order nodes so that each comes after all it needs; free choices go by (priority, id)."""
    waiting = {node: len(wanted) for node, wanted in needs.items()}
    dependents: dict[PluginId, list[PluginId]] = {node: [] for node in needs}
    for node, wanted in needs.items():
        for producer in wanted:
            dependents[producer].append(node)
    ready = [(priority[node], node) for node, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order: list[PluginId] = []
    while ready:
        _, node = heapq.heappop(ready)
        order.append(node)
        for dependent in dependents[node]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                heapq.heappush(ready, (priority[dependent], dependent))
    return tuple(order)
