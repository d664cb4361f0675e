"""Who needs whom, as JSON can say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optifire.host.catalog import Catalog


def graph_of(catalog: Catalog) -> dict[str, Any]:
    """Give nodes in an order in which producers come first, and an edge for each need."""
    nodes = [
        {
            "plugin_id": plugin_id,
            "category": catalog.jobs[plugin_id].category,
            "schedule": list(catalog.jobs[plugin_id].schedule.words),
            "outputs": list(catalog.jobs[plugin_id].outputs),
        }
        for plugin_id in catalog.graph.order
    ]
    edges = [
        {
            "from": edge.producer or "host",
            "to": consumer,
            "name": edge.need.name,
            "mode": edge.need.mode.value,
            "off": edge.off,
        }
        for consumer in catalog.graph.order
        for edge in catalog.graph.edges[consumer]
    ]
    return {"nodes": nodes, "edges": edges}
