"""One due moment of one job, and what becomes of those that were found late."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from optifire.core.job import MOST_CAUGHT_UP, Job, Misfire
from optifire.core.ledger import RunRow
from optifire.core.ports import Event
from optifire.core.run import RunKey, RunKind, RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.due import Due

#: The trigger of a stream's runs.
CONTINUOUS = "@continuous"
#: The trigger of a run that a person asks for.
BY_HAND = "manual"
#: Seconds after due in which an exec job may start unless its plan says otherwise.
EXEC_DEADLINE = 60.0
#: How long after the close a replay and the demo take the market's machines to be idle.
IDLE_DELAY = timedelta(minutes=30)


@dataclass(slots=True, eq=False)
class Firing:
    """One due moment of one job, on its way to a record.

    ``row`` is set for an occurrence that the ledger already holds (after a restart); ``force`` is
    the reason for which a manual run disregards overlap. ``in_turn`` marks one that was found
    together with earlier ones of its job: it goes after them, since only the finding overlaps.
    ``dropped`` is why somebody cancelled one that waits for the machine to be idle.
    """

    job: Job
    due: datetime
    trigger: str
    grace: timedelta
    turn: int = 0
    kind: RunKind = RunKind.SCHEDULED
    skip: str | None = None
    idle: bool = False
    events: tuple[Event, ...] = ()
    row: RunRow | None = None
    force: str = ""
    in_turn: bool = False
    dropped: str = ""

    @property
    def key(self) -> RunKey:
        """The key of the occurrence."""
        return RunKey(self.job.plugin_id, self.due, self.turn, self.kind)

    @property
    def deadline(self) -> datetime | None:
        """The instant after which it may not start any more, None if there is none."""
        if self.job.deadline is not None:
            return self.due + timedelta(seconds=self.job.deadline)
        return self.due + timedelta(seconds=EXEC_DEADLINE) if self.job.is_exec else None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of late occurrences of one job that one row stands for."""

    job: Job
    status: RunStatus
    first: datetime
    last: datetime
    count: int
    trigger: str


@dataclass(slots=True)
class Owed:
    """What one tick owes: firings to run and spans to write down. Nothing else vanishes."""

    firings: list[Firing] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def extend(self, other: Owed) -> None:
        """Take over what another part owes."""
        self.firings += other.firings
        self.spans += other.spans


def firing_of(job: Job, due: Due) -> Firing:
    """Give the firing of one due instant of a job's schedule."""
    return Firing(job, due.instant, due.word, due.grace, skip=due.skip, idle=due.idle)


def is_late(job: Job, due: Due, now: datetime) -> bool:
    """Tell whether an occurrence is found later than its grace; for exec that is the deadline."""
    if due.skip is not None or due.idle:
        return False
    grace = due.grace
    if job.is_exec:
        grace = timedelta(seconds=EXEC_DEADLINE if job.deadline is None else job.deadline)
    return now - due.instant > grace


def misfire_of(job: Job, due: Due) -> Misfire:
    """Give the rule for a late occurrence: exec never runs late, else plan, else the word's."""
    if job.is_exec:
        return Misfire.SKIP
    return job.misfire or Misfire(due.misfire)


def owe(job: Job, dues: Sequence[Due], now: datetime) -> Owed:
    """Decide what becomes of all occurrences of one job found at one tick, oldest first.

    Those within grace run. Of the late ones ``skip`` runs none, ``latest`` the last one and only
    if nothing in grace follows it, ``all`` the last hundred; the others become one row a stretch.
    """
    if len(dues) == 1 and not is_late(job, dues[0], now):
        return Owed([firing_of(job, dues[0])])
    late = [due for due in dues if is_late(job, due, now)]
    timely = [due for due in dues if not is_late(job, due, now)]
    if not late:
        return Owed(_in_turn([firing_of(job, due) for due in timely]))
    rule = misfire_of(job, late[-1])
    followed = any(due.skip is None and due.instant > late[-1].instant for due in timely)
    kept = _kept(rule, late, followed=followed)
    dropped = late[: len(late) - kept]
    status = RunStatus.MISSED if rule is Misfire.SKIP else RunStatus.COALESCED
    chosen = sorted([*late[len(late) - kept :], *timely], key=lambda due: due.instant)
    firings = _in_turn([firing_of(job, due) for due in chosen])
    return Owed(firings, _span(job, status, dropped))


def owe_latest(job: Job, dues: Sequence[Due]) -> Owed:
    """Run the latest of several occurrences whatever the clock says; one row for the others."""
    return Owed([firing_of(job, dues[-1])], _span(job, RunStatus.COALESCED, dues[:-1]))


def _in_turn(firings: list[Firing]) -> list[Firing]:
    """Let what was found at once go one after another, oldest first."""
    for firing in firings[1:]:
        firing.in_turn = True
    return firings


def _kept(rule: Misfire, late: Sequence[Due], *, followed: bool) -> int:
    """Count how many of the late occurrences still run, from the end."""
    if rule is Misfire.SKIP:
        return 0
    if rule is Misfire.LATEST:
        return 0 if followed else 1
    return min(len(late), MOST_CAUGHT_UP)


def _span(job: Job, status: RunStatus, dues: Sequence[Due]) -> list[Span]:
    """Give the one row that stands for a stretch, or none for an empty one."""
    if not dues:
        return []
    first, last = dues[0].instant, dues[-1].instant
    return [Span(job, status, first, last, len(dues), dues[-1].word)]
