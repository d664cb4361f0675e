"""From the firings of a cycle to who waits for whom in it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.core.firing import Firing
from optifire.core.graph import Edge
from optifire.core.job import NeedMode
from optifire.core.run import RunKey, RunKind
from optifire.core.types import PluginId
from optifire.runtime.needs import Moment, Values
from optifire.runtime.overlap import LiveRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.runtime.parts import Parts


#: How the trigger of a run begins that another one needed; the other's id follows.
PULL = "pull: "


@dataclass(frozen=True, slots=True)
class Pull:
    """A run of an earlier cycle that a job waits for, and for how long at most."""

    plugin_id: PluginId
    run: LiveRun
    patience: timedelta


@dataclass(slots=True)
class Plan:
    """The firings of a cycle with those pulled in, and for each the producers it waits for."""

    firings: list[Firing] = field(default_factory=list)
    edges: dict[PluginId, tuple[Edge, ...]] = field(default_factory=dict)
    waits: dict[PluginId, set[PluginId]] = field(default_factory=dict)
    earlier: list[Pull] = field(default_factory=list)


def resolve(firings: Sequence[Firing], parts: Parts, values: Values) -> Plan:
    """Give who waits for whom among the firings of one cycle.

    A producer that never left a value but is switched on is pulled in and run first, under the
    cycle's key; so are, in turn, the producers it needs.
    """
    plan = Plan()
    present: dict[PluginId, Firing] = {firing.job.plugin_id: firing for firing in firings}
    queue = deque(firings)
    while queue:
        firing = queue.popleft()
        plan.firings.append(firing)
        edges = parts.graph.edges.get(firing.job.plugin_id, ())
        plan.edges[firing.job.plugin_id] = edges
        for edge in edges:
            if edge.producer not in present and _must_be_pulled(edge, firing, parts, values):
                assert edge.producer is not None  # noqa: S101 - said by _must_be_pulled
                pulled = _pulled(firing, edge.producer, parts)
                present[edge.producer] = pulled
                queue.append(pulled)
    for firing in plan.firings:
        _wire(firing, plan, present, parts, values)
    return plan


def _must_be_pulled(edge: Edge, by: Firing, parts: Parts, values: Values) -> bool:
    """Tell whether a needed value has never been made, by a producer that could make it.

    A producer that had its run under the same key already (idle jobs of one close are cycles of
    their own) is not run again: one key, one run.
    """
    return (
        edge.need.mode is NeedMode.VALUE
        and edge.producer is not None
        and edge.producer in parts.jobs
        and not edge.off
        and not parts.jobs[edge.producer].schedule.continuous
        and not _has_value(edge, by, parts, values)
        and parts.live.latest_of(edge.producer, by.due) is None
        and not parts.live.had(RunKey(edge.producer, by.due, by.turn, by.kind))
    )


def _has_value(edge: Edge, by: Firing, parts: Parts, values: Values) -> bool:
    """Tell whether there is a value that spares a run of its producer.

    Of the past nobody else makes what is missing: there it has to be a fresh one.
    """
    if by.kind is not RunKind.BACKFILL:
        return values.ever(edge)
    moment = Moment(by.due, by.job.schedule.calendar, parts.schedule_of)
    return values.find(edge, moment) is not None


def _pulled(by: Firing, producer: PluginId, parts: Parts) -> Firing:
    trigger = f"{PULL}{by.job.plugin_id}"
    job = parts.jobs[producer]
    return Firing(job, by.due, trigger, by.grace, by.turn, by.kind, idle=by.idle)


def _wire(
    firing: Firing,
    plan: Plan,
    present: Mapping[PluginId, Firing],
    parts: Parts,
    values: Values,
) -> None:
    """Find what one firing waits for: in this cycle, and in earlier ones still running."""
    plugin_id = firing.job.plugin_id
    if not plan.edges[plugin_id]:
        return
    waits = plan.waits.setdefault(plugin_id, set())
    moment = Moment(firing.due, firing.job.schedule.calendar, parts.schedule_of)
    for edge in plan.edges[plugin_id]:
        if edge.producer is None:
            continue
        if edge.producer in present:
            waits.add(edge.producer)
        elif edge.need.mode is not NeedMode.AFTER and values.find(edge, moment) is None:
            run = parts.live.latest_of(edge.producer, firing.due)
            if run is not None:
                plan.earlier.append(Pull(plugin_id, run, firing.grace))
