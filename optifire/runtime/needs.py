"""What a run is given: which value answers each need, and whether it is fresh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from optifire.core.calendar import Calendar
from optifire.core.job import Need, NeedMode
from optifire.core.ports import Given
from optifire.core.run import Reason, Source
from optifire.core.schedule import Schedule
from optifire.core.types import PluginId, RunId
from optifire.runtime.blackboard import given_all, given_of

if TYPE_CHECKING:
    from optifire.core.graph import Edge, Graph
    from optifire.core.ledger import ContextValue

#: Gives the schedule of a plugin that is switched on, None for others.
ScheduleOf = Callable[[PluginId], Schedule | None]


@dataclass(slots=True)
class Supply:
    """What one run is given, under every name it may ask by, and where each need came from.

    ``missing`` says why the run cannot be made, None when all that it must have is there.
    """

    given: dict[str, Given] = field(default_factory=dict)
    inputs: dict[str, Source] = field(default_factory=dict)
    missing: Reason | None = None


#: What a run without needs is given; nobody writes into it.
NOTHING = Supply()


@dataclass(frozen=True, slots=True)
class Moment:
    """When and on which calendar freshness is judged."""

    due: datetime
    calendar: Calendar
    schedule_of: ScheduleOf


def is_fresh(need: Need, value: ContextValue, producer: PluginId, moment: Moment) -> bool:
    """Tell whether an older value still answers a need.

    With ``max_age`` by event time; with sessions, by how many opened since; with neither, when it
    is from the producer's latest occurrence at or before the cycle.
    """
    if need.max_age is not None:
        return moment.due - value.as_of <= need.max_age
    if need.max_sessions is not None:
        return sessions_since(value.as_of, moment) <= need.max_sessions
    schedule = moment.schedule_of(producer)
    following = None if schedule is None else schedule.next_known(value.as_of)
    return following is None or following.instant > moment.due


def sessions_since(instant: datetime, moment: Moment) -> int:
    """Count the sessions that opened after an instant, up to the cycle."""
    first, last = instant.date(), moment.due.date()
    found = moment.calendar.sessions(first, last)
    return sum(1 for session in found if instant < session.open <= moment.due)


class Values:
    """The values that a cycle can hand out: those it began with and those it made."""

    def __init__(self, before: Mapping[str, ContextValue]) -> None:
        self.before = before
        self.made: dict[str, ContextValue] = {}

    def ever(self, edge: Edge) -> bool:
        """Tell whether what an edge asks for has any value at all."""
        return name_of(edge) in self.before

    def find(self, edge: Edge, moment: Moment) -> tuple[ContextValue, bool] | None:
        """Give the value that answers an edge and whether this cycle made it; None if none does."""
        name = name_of(edge)
        made = self.made.get(name)
        if made is not None:
            return made, True
        held = self.before.get(name)
        if held is None or edge.producer is None or (edge.off and not _says_age(edge.need)):
            return None
        return (held, False) if is_fresh(edge.need, held, edge.producer, moment) else None

    def joined(self, arrived: Mapping[str, ContextValue]) -> Values:
        """Give these values together with those that one run was made to wait for."""
        if not arrived:
            return self
        both = Values({**self.before, **arrived})
        both.made = self.made
        return both

    def forget(self, run_id: RunId) -> None:
        """Take back what a run made: its writes did not stand."""
        self.made = {name: value for name, value in self.made.items() if value.run_id != run_id}

    def spread(
        self, edge: Edge, value: ContextValue, graph: Graph, *, made: bool
    ) -> dict[str, Given]:
        """Give a value under every name by which the consumer may ask for it."""
        pool = self.made if made else self.before
        if edge.key is not None:
            return _named(value, graph)
        spread: dict[str, Given] = {value.producer: given_all(value, pool)}
        for key in msgspec.msgpack.decode(value.value, type=list[str]):
            part = pool.get(f"{value.producer}.{key}")
            if part is not None:
                spread.update(_named(part, graph))
        return spread


def _named(value: ContextValue, graph: Graph) -> dict[str, Given]:
    """Give one value by full name, and by bare name where that is its producer's."""
    given = given_of(value)
    named = {f"{value.producer}.{value.key}": given}
    if value.key not in graph.owners or graph.owners[value.key] == value.producer:
        named[value.key] = given
    return named


def name_of(edge: Edge) -> str:
    """Give the name under which the context keeps what an edge asks for."""
    return f"{edge.producer}.{edge.key}" if edge.key is not None else str(edge.producer)


def _says_age(need: Need) -> bool:
    return need.max_age is not None or need.max_sessions is not None


def supply(
    edges: tuple[Edge, ...],
    values: Values,
    graph: Graph,
    moment: Moment,
    why_not: Callable[[Edge], str],
) -> Supply:
    """Gather everything that one run needs.

    Parameters
    ----------
    why_not
        Says in words what became of the producer of an edge that has no fresh value.
    """
    result = Supply()
    for edge in edges:
        if edge.need.mode is NeedMode.AFTER or edge.producer is None:
            continue
        found = values.find(edge, moment)
        if found is not None:
            value, made = found
            result.given.update(values.spread(edge, value, graph, made=made))
            result.inputs[edge.need.name] = Source(value.run_id, value.as_of)
        elif edge.need.mode is NeedMode.VALUE and result.missing is None:
            result.missing = Reason("upstream", why_not(edge))
    return result
