"""Runs in progress, and what an occurrence does while an earlier one of its job goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import TYPE_CHECKING

from optifire.core.firing import Firing
from optifire.core.job import Job, Overlap

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.core.run import RunKey
    from optifire.core.types import PluginId


class Move(Enum):
    """What the overlap rule says about one occurrence."""

    RUN = auto()
    SKIP = auto()
    WAIT = auto()
    #: End the others first (with grace or at once), then run.
    END_OTHERS = auto()


class Manner(Enum):
    """How a run in progress is ended."""

    #: Asked to end, killed after a short grace.
    GRACE = auto()
    AT_ONCE = auto()
    #: As with grace, and due again afterwards: it makes way for what goes first.
    YIELD = auto()


@dataclass(slots=True, eq=False)
class LiveRun:
    """One occurrence from its cycle's beginning to its record: how to end it, and whom to tell.

    The watchers are told once its end has been committed, so that what it left can be seen.
    """

    firing: Firing
    end: Callable[[str, Manner], None]
    watchers: list[Callable[[], object]] = field(default_factory=list)
    lane: str = field(init=False)

    @property
    def endless(self) -> bool:
        """Whether it is a stream, which goes on until it is told to end."""
        return self.firing.job.schedule.continuous

    def __post_init__(self) -> None:
        """Keep the lane: it is asked for at every turn."""
        self.lane = lane_of(self.firing.job)


@dataclass(slots=True, eq=False)
class Waiting:
    """One buffered occurrence: how to let it go on, and how to displace it."""

    firing: Firing
    go: Callable[[], None]
    displace: Callable[[], None]


def lane_of(job: Job) -> str:
    """Give what runs one at a time: the job, or all exec jobs of the account together."""
    return "exec" if job.is_exec else job.plugin_id


def decide(policy: Overlap, *, busy: bool, forced: bool) -> Move:
    """Give the move of an occurrence while others of its lane are busy or not."""
    if not busy or forced or policy is Overlap.ALLOW_ALL:
        return Move.RUN
    if policy is Overlap.SKIP:
        return Move.SKIP
    if policy in {Overlap.BUFFER_ONE, Overlap.BUFFER_ALL}:
        return Move.WAIT
    return Move.END_OTHERS


class LiveRuns:
    """All occurrences of this service that are not settled: expected, buffered, in progress."""

    def __init__(self) -> None:
        self._unsettled: dict[PluginId, list[LiveRun]] = {}
        self._latest: dict[PluginId, RunKey] = {}
        self._live: dict[str, list[LiveRun]] = {}
        self._waiting: dict[str, deque[Waiting]] = {}

    def __len__(self) -> int:
        """Count the runs in progress."""
        return sum(map(len, self._live.values()))

    def all(self) -> list[LiveRun]:
        """Give every occurrence whose end is not committed yet."""
        return [run for runs in self._unsettled.values() for run in runs]

    def expect(self, run: LiveRun) -> None:
        """Take in an occurrence whose cycle has begun; it is unsettled from now on."""
        plugin_id = run.firing.job.plugin_id
        self._unsettled.setdefault(plugin_id, []).append(run)
        self._latest[plugin_id] = run.firing.key

    def settle(self, run: LiveRun) -> None:
        """Let an occurrence go whose end has been committed, and tell who watches it."""
        runs = self._unsettled.get(run.firing.job.plugin_id, [])
        if run in runs:
            runs.remove(run)
            if not runs:
                del self._unsettled[run.firing.job.plugin_id]
            for tell in run.watchers:
                tell()

    def had(self, key: RunKey) -> bool:
        """Tell whether a plugin's latest occurrence here was this one: one key, one run."""
        return self._latest.get(key.plugin_id) == key

    def others(self, job: Job) -> Sequence[LiveRun]:
        """Give the runs in progress that an occurrence of this job would overlap."""
        return tuple(self._live.get(lane_of(job), ()))

    def latest_of(self, plugin_id: PluginId, until: datetime) -> LiveRun | None:
        """Give the youngest unsettled occurrence of one plugin that was due by an instant.

        Those of streams do not count: nobody can wait for their ends.
        """
        runs = self._unsettled.get(plugin_id, ())
        own = [run for run in runs if run.firing.due <= until and not run.endless]
        return max(own, key=lambda run: run.firing.due, default=None)

    def queued(self, job: Job) -> bool:
        """Tell whether occurrences of this job's lane wait already."""
        return bool(self._waiting.get(lane_of(job)))

    def busy_with(self, job: Job) -> bool:
        """Tell whether a run of one plugin is in progress or buffered."""
        lane = lane_of(job)
        running = (run.firing for run in self._live.get(lane, ()))
        waiting = (one.firing for one in self._waiting.get(lane, ()))
        return any(each.job.plugin_id == job.plugin_id for each in chain(running, waiting))

    def add(self, run: LiveRun) -> None:
        """Take in a run that has been admitted."""
        self._live.setdefault(run.lane, []).append(run)

    def wait(self, one: Waiting) -> None:
        """Buffer an occurrence; unless its job buffers all, the newest displaces the older.

        What goes in turn neither displaces nor is displaced.
        """
        queue = self._waiting.setdefault(lane_of(one.firing.job), deque())
        queue.append(one)
        if one.firing.job.overlap is not Overlap.BUFFER_ALL and not one.firing.in_turn:
            own = [
                each
                for each in queue
                if each.firing.job.plugin_id == one.firing.job.plugin_id and not each.firing.in_turn
            ]
            newest = max(reversed(own), key=lambda each: each.firing.due)
            for each in own:
                if each is not newest:
                    queue.remove(each)
                    each.displace()

    def withdraw(self, firing: Firing) -> None:
        """Take an occurrence out of the buffer: it has ended without its turn."""
        if not self._waiting:
            return
        lane = lane_of(firing.job)
        queue = self._waiting.get(lane)
        if queue is not None:
            kept = deque(one for one in queue if one.firing is not firing)
            self._waiting[lane] = kept
            if not kept:
                del self._waiting[lane]

    def remove(self, run: LiveRun) -> None:
        """Take out a run that is over, and let the next buffered one go on."""
        lane = run.lane
        runs = self._live[lane]
        runs.remove(run)
        if not runs:
            del self._live[lane]
        queue = self._waiting.get(lane)
        if queue and lane not in self._live:
            following = queue.popleft()
            if not queue:
                del self._waiting[lane]
            following.go()
