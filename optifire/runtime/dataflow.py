"""Who waits for whom inside one cycle, and what is ready."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from optifire.core.firing import Firing
from optifire.core.graph import Edge
from optifire.core.ledger import ContextValue, RunRow, new_run
from optifire.core.ports import RunRequest
from optifire.core.run import RunStatus
from optifire.runtime.overlap import LiveRun, LiveRuns, Manner
from optifire.runtime.slots import turn_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from optifire.core.types import PluginId
    from optifire.runtime.resolver import Plan


@dataclass(slots=True, eq=False)
class Node:
    """One firing inside its cycle: what it still waits for, and who waits for it.

    ``live`` is how other cycles see it, ``entered`` whether overlap has let it in. ``told`` is why
    somebody ended it, empty while nobody did; one that ``yields`` is to be due again. ``arrived``
    holds what a run of an earlier cycle left for it while it waited, ``timers`` what is to ring for
    it yet.
    """

    firing: Firing
    row: RunRow
    edges: tuple[Edge, ...]
    live: LiveRun
    waits: int = 0
    dependents: list[Node] = field(default_factory=list)
    entered: bool = False
    task: asyncio.Task[None] | None = None
    request: RunRequest | None = None
    arrived: dict[str, ContextValue] = field(default_factory=dict)
    timers: list[asyncio.Task[None]] = field(default_factory=list)
    begun: bool = False
    ended: bool = False
    told: str = ""
    yields: bool = False


class Dataflow:
    """The nodes of one cycle; a node is ready when everything it waits for has ended.

    Parameters
    ----------
    plan
        Who waits for whom.
    tell
        Ends a node because somebody says so: why, and in which manner.
    """

    def __init__(self, plan: Plan, tell: Callable[[Node, str, Manner], None]) -> None:
        self.nodes: dict[PluginId, Node] = {}
        self.ready: deque[Node] = deque()
        for firing in plan.firings:
            row = firing.row or new_run(firing.key, trigger=firing.trigger)
            firing.row = row
            row.version = firing.job.version
            row.budget = firing.job.budget
            edges = plan.edges[firing.job.plugin_id]
            node = Node(firing, row, edges, LiveRun(firing, lambda _why, _manner: None))
            node.live.end = partial(tell, node)
            self.nodes[firing.job.plugin_id] = node
        for plugin_id, producers in plan.waits.items():
            self.nodes[plugin_id].waits = len(producers)
            for producer in sorted(producers):
                self.nodes[producer].dependents.append(self.nodes[plugin_id])
        for pull in plan.earlier:
            self.nodes[pull.plugin_id].waits += 1
        self.open = len(self.nodes)
        self.ready.extend(node for node in self.nodes.values() if node.waits == 0)

    def take_ready(self, failing: Callable[[Firing], bool]) -> Sequence[Node]:
        """Take all that are ready, in the order in which slots are given."""
        ready = tuple(self.ready)
        self.ready.clear()
        if len(ready) == 1:
            return ready
        return sorted(ready, key=lambda node: turn_of(node.firing, failing=failing(node.firing)))

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

    def why_not(self, edge: Edge, live: LiveRuns, due: datetime) -> str:
        """Say what became of a producer that left no fresh value."""
        producer = edge.producer
        if edge.off or producer is None:
            return edge.why
        node = self.nodes.get(producer)
        if node is None:
            running = live.latest_of(producer, due) is not None
            return f"{producer} is still running" if running else f"{producer} has nothing fresh"
        if node.row.status is RunStatus.SUCCEEDED:
            return f"{producer} gave no {edge.key}"
        return f"{producer} {node.row.status.value}"
