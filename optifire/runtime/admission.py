"""Gates that an occurrence passes before it may run, and the slots that it waits for."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from optifire.core.firing import Firing
from optifire.core.job import MOST_TURNS, Job, Placement
from optifire.core.run import Reason, RunStatus


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What gates may look at: the clock's present, the live switches, the chain of events."""

    now: datetime
    is_on: Callable[[Job], bool]
    timeless: bool = False
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NonRun:
    """An occurrence that does not run: its terminal status and why."""

    status: RunStatus
    reason: Reason


Gate = Callable[[Firing, Snapshot], NonRun | None]


def skipped(code: str, detail: str = "") -> NonRun:
    """Give a non-run of the kind "skipped"."""
    return NonRun(RunStatus.SKIPPED, Reason(code, detail))


def refused(code: str, detail: str = "") -> NonRun:
    """Give a non-run of the kind "refused"."""
    return NonRun(RunStatus.REFUSED, Reason(code, detail))


def switched_on(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Skip what was switched off since its cycle was planned."""
    return None if snapshot.is_on(firing.job) else skipped("disabled")


def fits_the_day(firing: Firing, snapshot: Snapshot) -> NonRun | None:  # noqa: ARG001 - a gate
    """Skip what the schedule itself says cannot be on this day."""
    return skipped(firing.skip) if firing.skip else None


def ends_some_time(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Refuse what events have started too often within one instant."""
    if firing.turn <= MOST_TURNS:
        return None
    return refused("event loop", " -> ".join(snapshot.chain[-4:]))


def in_time(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Refuse what waited past its deadline."""
    deadline = firing.deadline
    if snapshot.timeless or deadline is None or snapshot.now <= deadline:
        return None
    return refused("over capacity", "its deadline passed while it waited")


def while_closed(firing: Firing, snapshot: Snapshot) -> NonRun | None:
    """Miss idle work whose closed window is over."""
    if not firing.idle or snapshot.timeless or firing.job.intraday:
        return None
    if firing.job.schedule.calendar.session_at(snapshot.now) is None:
        return None
    return NonRun(RunStatus.MISSED, Reason("late", "the market opened before the machine was idle"))


GATES: Sequence[Gate] = (switched_on, fits_the_day, ends_some_time, in_time, while_closed)


def admit(firing: Firing, snapshot: Snapshot, gates: Sequence[Gate] = GATES) -> NonRun | None:
    """Give the first objection of the gates, or None when the occurrence may run."""
    for gate in gates:
        objection = gate(firing, snapshot)
        if objection is not None:
            return objection
    return None


@dataclass(slots=True, eq=False)
class _Claim:
    """One occurrence that waits for a slot."""

    firing: Firing
    go: Callable[[], None]


class Slots:
    """How many isolated runs go on at once: some for all, one each for risk and exec besides.

    Waiting is by priority (lower first), then due, then id; inline runs need no slot.
    """

    def __init__(self, concurrency: int) -> None:
        self._free = concurrency
        self._reserved = {"risk": 1, "exec": 1}
        self._held: dict[int, str] = {}
        self._queue: list[tuple[int, datetime, str, int, _Claim]] = []
        self._waiting: set[int] = set()

    def __len__(self) -> int:
        """Count the slots that are taken."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many occurrences wait for a slot."""
        return len(self._queue)

    def take(self, firing: Firing, go: Callable[[], None]) -> bool:
        """Take a slot now (True), or call `go` when one has been given later (False)."""
        if firing.job.placement is Placement.INLINE or self._grant(firing):
            return True
        entry = (firing.job.priority, firing.due, firing.job.plugin_id, id(firing))
        heapq.heappush(self._queue, (*entry, _Claim(firing, go)))
        self._waiting.add(id(firing))
        return False

    def holds(self, firing: Firing) -> bool:
        """Tell whether an occurrence has been given its slot."""
        return id(firing) in self._held

    def give_back(self, firing: Firing) -> None:
        """Free the slot of a run that is over, and give it to who waits first.

        One that still waited for a slot waits no more.
        """
        if id(firing) in self._waiting:
            self._waiting.discard(id(firing))
            self._queue = [entry for entry in self._queue if entry[-1].firing is not firing]
            heapq.heapify(self._queue)
        kind = self._held.pop(id(firing), None)
        if kind is None:
            return
        if kind:
            self._reserved[kind] += 1
        else:
            self._free += 1
        passed: list[tuple[int, datetime, str, int, _Claim]] = []
        while self._queue:
            entry = heapq.heappop(self._queue)
            if self._grant(entry[-1].firing):
                self._waiting.discard(id(entry[-1].firing))
                entry[-1].go()
                break
            passed.append(entry)
        for entry in passed:
            heapq.heappush(self._queue, entry)

    def _grant(self, firing: Firing) -> bool:
        """Take a common slot, or the one reserved for the firing's category."""
        category = firing.job.category
        if self._free > 0:
            self._free -= 1
            self._held[id(firing)] = ""
            return True
        if self._reserved.get(category, 0) > 0:
            self._reserved[category] -= 1
            self._held[id(firing)] = category
            return True
        return False
