"""The slots that occurrences wait for: how many runs go on at once, and in how much memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from optifire.core.firing import Firing
from optifire.core.job import Job, Placement
from optifire.core.limits import limits_for
from optifire.core.types import Category


class Room(Protocol):
    """How much memory runs have, in megabytes of 2**20 bytes."""

    #: What the service and its runs may use together.
    most_mb: float

    def left_mb(self) -> float:
        """Give how much of that the service leaves to its runs now."""


@dataclass(slots=True, eq=False)
class _Claim:
    """One occurrence that waits for a slot."""

    firing: Firing
    go: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Held:
    """What one run holds: the common slot or that of a category, and memory."""

    kind: str
    mb: float


Turn = tuple[int, datetime, bool, str]
_Entry = tuple[Turn, int, _Claim]


def turn_of(firing: Firing, *, failing: bool) -> Turn:
    """Give what sorts occurrences by whose turn it is, the first one lowest.

    That is priority, then due, and among those due at one instant whoever has not just failed:
    what hangs until its timeout keeps a slot from all others until then. Then it is the id.
    """
    return (firing.job.priority, firing.due, failing, firing.job.plugin_id)


def memory_of(job: Job) -> float:
    """Give the memory limit in force for a job, in megabytes of 2**20 bytes."""
    return limits_for(job.budget, light=not job.code.modules).mem_limit_mb


class Slots:
    """How many isolated runs go on at once: some for all, one each for risk and exec besides.

    Together their memory limits stay within what `room` leaves. Waiting is by
    `turn_of`. Who waits for memory is not overtaken, but by risk and exec with
    their own slots, so that small runs cannot keep a large one out; a run that is alone always
    has room, since nobody else would ever make some. Inline runs need no slot, nor do residents,
    whose processes stand and count as the service's.
    """

    def __init__(self, concurrency: int, room: Room | None = None) -> None:
        self._room = room
        self._free = concurrency
        self._reserved = {str(Category.RISK): 1, str(Category.EXEC): 1}
        self._held: dict[int, _Held] = {}
        self._mb = 0.0
        self._queues: dict[str, list[_Entry]] = {}
        self._waiting: set[int] = set()

    def __len__(self) -> int:
        """Count the slots that are taken."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many occurrences wait for a slot."""
        return len(self._waiting)

    @property
    def held_mb(self) -> float:
        """What the runs that hold a slot may use together."""
        return self._mb

    @property
    def most_mb(self) -> float | None:
        """What one run may use at most, None where nobody counts."""
        return None if self._room is None else self._room.most_mb

    def take(self, firing: Firing, go: Callable[[], None], *, failing: bool = False) -> bool:
        """Take a slot now (True), or call `go` when one has been given later (False).

        ``failing`` says that the latest run of the plugin went wrong.
        """
        job = firing.job
        if job.placement is not Placement.ISOLATED:
            return True
        kind = str(job.category) if job.category in self._reserved else ""
        claim = _Claim(firing, go)
        entry = (turn_of(firing, failing=failing), id(firing), claim)
        heapq.heappush(self._queues.setdefault(kind, []), entry)
        self._waiting.add(id(firing))
        return self._serve(claim)

    def holds(self, firing: Firing) -> bool:
        """Tell whether an occurrence has been given its slot."""
        return id(firing) in self._held

    def give_back(self, firing: Firing) -> None:
        """Free the slot of a run that is over, and give what has come free to who waits first.

        One that still waited for a slot waits no more.
        """
        if id(firing) in self._waiting:
            self._waiting.discard(id(firing))
            for queue in self._queues.values():
                queue[:] = [entry for entry in queue if entry[-1].firing is not firing]
                heapq.heapify(queue)
        elif (held := self._held.pop(id(firing), None)) is not None:
            self._mb = self._mb - held.mb if self._held else 0.0
            if held.kind:
                self._reserved[held.kind] += 1
            else:
                self._free += 1
        else:
            return
        self._serve()

    def _serve(self, own: _Claim | None = None) -> bool:
        """Let all go who may now; tell whether `own` is among them, which is not called."""
        among = False
        while (claim := self._next()) is not None:
            if claim is own:
                among = True
            else:
                claim.go()
        return among

    def _next(self) -> _Claim | None:
        """Give a slot to the first who may have one, and say who; None when nobody may."""
        heads = sorted(
            (queue[0], kind)
            for kind, queue in self._queues.items()
            if queue and (self._free > 0 or self._reserved.get(kind, 0) > 0)
        )
        blocked = False
        for entry, kind in heads:
            own = self._reserved.get(kind, 0) > 0
            if blocked and not own:
                continue
            claim = entry[-1]
            if self._fits(claim.firing.job):
                heapq.heappop(self._queues[kind])
                self._grant(claim.firing, "" if self._free > 0 and not blocked else kind)
                return claim
            blocked = True
        return None

    def _fits(self, job: Job) -> bool:
        """Tell whether there is memory for a job beside what is held."""
        if self._room is None or not self._held:
            return True
        return self._mb + memory_of(job) <= self._room.left_mb()

    def _grant(self, firing: Firing, kind: str) -> None:
        """Take a common slot (""), or the one reserved for a category."""
        if kind:
            self._reserved[kind] -= 1
        else:
            self._free -= 1
        mb = memory_of(firing.job) if self._room is not None else 0.0
        self._held[id(firing)] = _Held(kind, mb)
        self._mb += mb
        self._waiting.discard(id(firing))
