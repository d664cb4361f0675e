"""What a cycle is handed when it begins; nothing in it changes under the cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optifire.core.graph import Graph
from optifire.core.job import Job
from optifire.core.ledger import EventRow
from optifire.core.ports import Clock
from optifire.core.types import PluginId
from optifire.runtime.admission import Snapshot, all_good, nobody_paused
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.needs import ScheduleOf
from optifire.runtime.overlap import LiveRuns
from optifire.runtime.pauses import Pauses
from optifire.runtime.recorder import Recorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.runtime.standings import Standings


@dataclass(frozen=True, slots=True)
class Parts:
    """Catalog and rooms as one cycle uses them.

    Attributes
    ----------
    jobs, graph, listeners
        The catalog: jobs switched on by id, who needs whom, who listens to which bus event.
    is_on
        Asked again at admission: whether a job is still switched on.
    schedule_of
        The schedule of a plugin switched on, by which the freshness of its values is judged.
    safety_timeout
        Seconds of real time that replace every timeout in a replay; 0 elsewhere.
    standings
        Who keeps failing, and is kept from running; None where nobody ever is (replay).
    pauses
        Who is paused by a person; None where nobody can be (replay).
    announce
        Has the listeners of events started that a stream has published.
    """

    jobs: Mapping[PluginId, Job]
    graph: Graph
    listeners: Mapping[str, tuple[PluginId, ...]]
    clock: Clock
    recorder: Recorder
    runner: Runner
    slots: Slots
    live: LiveRuns
    board: Blackboard
    is_on: Callable[[Job], bool]
    schedule_of: ScheduleOf
    safety_timeout: float = 0.0
    standings: Standings | None = None
    announce: Callable[[Sequence[EventRow]], None] = lambda _: None
    pauses: Pauses | None = None

    def snapshot(self, chain: tuple[str, ...]) -> Snapshot:
        """Give what gates may look at now; ``chain`` is the events that led here."""
        known = all_good if self.standings is None else self.standings.of
        paused = nobody_paused if self.pauses is None else self.pauses.at
        clock, slots = self.clock, self.slots
        return Snapshot(
            clock.now(), self.is_on, clock.timeless, chain, slots.most_mb, known, paused
        )


def listeners_of(jobs: Mapping[PluginId, Job]) -> Mapping[str, tuple[PluginId, ...]]:
    """Give for each bus event the jobs that it starts, by id.

    A job that handles events is told them, and has no runs for them.
    """
    found: dict[str, list[PluginId]] = {}
    for plugin_id in sorted(jobs):
        if jobs[plugin_id].handles_events:
            continue
        for event in sorted(jobs[plugin_id].listens):
            found.setdefault(event, []).append(plugin_id)
    return {event: tuple(ids) for event, ids in found.items()}
