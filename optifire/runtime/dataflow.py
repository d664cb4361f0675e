"""Who waits for whom inside one cycle, and what is ready."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optifire.core.firing import Firing
from optifire.core.graph import Edge
from optifire.core.ledger import RunRow, new_run
from optifire.core.ports import RunRequest
from optifire.core.run import RunStatus
from optifire.runtime.overlap import LiveRun, LiveRuns

if TYPE_CHECKING:
    from optifire.core.types import PluginId
    from optifire.runtime.resolver import Plan


@dataclass(slots=True, eq=False)
class Node:
    """One firing inside its cycle: what it still waits for, and who waits for it.

    ``told`` is why somebody ended it, empty while nobody did.
    """

    firing: Firing
    row: RunRow
    edges: tuple[Edge, ...]
    waits: int = 0
    dependents: list[Node] = field(default_factory=list)
    live: LiveRun | None = None
    task: asyncio.Task[None] | None = None
    request: RunRequest | None = None
    ended: bool = False
    told: str = ""


class Dataflow:
    """The nodes of one cycle; a node is ready when everything it waits for has ended."""

    def __init__(self, plan: Plan) -> None:
        self.nodes: dict[PluginId, Node] = {}
        self.ready: deque[Node] = deque()
        for firing in plan.firings:
            row = firing.row or new_run(firing.key, trigger=firing.trigger)
            row.version = firing.job.version
            row.budget = firing.job.budget
            self.nodes[firing.job.plugin_id] = Node(firing, row, plan.edges[firing.job.plugin_id])
        for plugin_id, producers in plan.waits.items():
            self.nodes[plugin_id].waits = len(producers)
            for producer in sorted(producers):
                self.nodes[producer].dependents.append(self.nodes[plugin_id])
        for pull in plan.earlier:
            self.nodes[pull.plugin_id].waits += 1
        self.open = len(self.nodes)
        self.ready.extend(node for node in self.nodes.values() if node.waits == 0)

    def release(self, node: Node) -> None:
        """Count one thing less that a node waits for."""
        node.waits -= 1
        if node.waits == 0:
            self.ready.append(node)

    def end(self, node: Node) -> None:
        """Take a node as ended, and release who waits for it."""
        node.ended = True
        self.open -= 1
        for dependent in node.dependents:
            self.release(dependent)

    def why_not(self, edge: Edge, live: LiveRuns) -> str:
        """Say what became of a producer that left no fresh value."""
        producer = edge.producer
        if edge.off or producer is None:
            return edge.why
        node = self.nodes.get(producer)
        if node is None:
            running = live.latest_of(producer) is not None
            return f"{producer} is still running" if running else f"{producer} has nothing fresh"
        if node.row.status is RunStatus.SUCCEEDED:
            return f"{producer} gave no {edge.key}"
        return f"{producer} {node.row.status.value}"
