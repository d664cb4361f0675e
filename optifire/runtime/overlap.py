"""Runs in progress, and what an occurrence does while an earlier one of its job goes on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from optifire.core.firing import Firing
from optifire.core.job import Job, Overlap

if TYPE_CHECKING:
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


@dataclass(slots=True, eq=False)
class LiveRun:
    """One run in progress: how to end it, and whom to tell when it has ended."""

    firing: Firing
    end: Callable[[str, Manner], None]
    watchers: list[Callable[[], None]] = field(default_factory=list)


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
    """All runs in progress and all buffered occurrences of this service."""

    def __init__(self) -> None:
        self._live: dict[str, list[LiveRun]] = {}
        self._waiting: dict[str, deque[Waiting]] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()

    def __len__(self) -> int:
        """Count the runs in progress."""
        return sum(map(len, self._live.values()))

    def all(self) -> list[LiveRun]:
        """Give the runs in progress."""
        return [run for runs in self._live.values() for run in runs]

    def others(self, job: Job) -> Sequence[LiveRun]:
        """Give the runs in progress that an occurrence of this job would overlap."""
        return tuple(self._live.get(lane_of(job), ()))

    def latest_of(self, plugin_id: PluginId) -> LiveRun | None:
        """Give the youngest run of one plugin in progress."""
        runs = self._live.get(plugin_id) or self._live.get("exec", [])
        own = [run for run in runs if run.firing.job.plugin_id == plugin_id]
        return max(own, key=lambda run: run.firing.due, default=None)

    def queued(self, job: Job) -> bool:
        """Tell whether occurrences of this job's lane wait already."""
        return bool(self._waiting.get(lane_of(job)))

    async def quiet(self) -> None:
        """Wait until nothing is in progress."""
        await self._quiet.wait()

    def add(self, run: LiveRun) -> None:
        """Take in a run that has been admitted."""
        self._live.setdefault(lane_of(run.firing.job), []).append(run)
        self._quiet.clear()

    def wait(self, one: Waiting) -> None:
        """Buffer an occurrence; with ``buffer_one`` the newest stays and displaces the older."""
        queue = self._waiting.setdefault(lane_of(one.firing.job), deque())
        if one.firing.job.overlap is Overlap.BUFFER_ONE:
            while queue:
                queue.popleft().displace()
        queue.append(one)

    def remove(self, run: LiveRun) -> None:
        """Take out a run that has ended, tell who watches it, let the next buffered one go on."""
        lane = lane_of(run.firing.job)
        runs = self._live[lane]
        runs.remove(run)
        if not runs:
            del self._live[lane]
        for tell in run.watchers:
            tell()
        queue = self._waiting.get(lane)
        if queue and lane not in self._live:
            queue.popleft().go()
            if not queue:
                del self._waiting[lane]
        if not self._live:
            self._quiet.set()
