"""Orders what depends on each other, and names the cycles that cannot be ordered."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.types import PluginId


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
