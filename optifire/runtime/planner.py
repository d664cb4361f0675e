"""What is due: the schedules of all jobs, asked for one stretch of time after another.

Jobs with the same schedule share a *lane*, so a thousand jobs on one interval cost one step of
arithmetic an instant. The planner does no input or output and reads no clock.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from optifire.core.due import Due
from optifire.core.firing import IDLE_DELAY, Firing, Owed, owe, owe_latest
from optifire.core.job import Job
from optifire.core.schedule import Schedule
from optifire.core.types import PluginId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from optifire.core.ports import Tick


@dataclass(slots=True, eq=False)
class _Lane:
    """Jobs that are due at the same instants, the next of these, and the last handed out."""

    schedule: Schedule
    #: How long after its instant an idle occurrence is handed out.
    delay: timedelta
    jobs: list[Job] = field(default_factory=list)
    upcoming: Due | None = None
    passed: datetime | None = None

    @property
    def release(self) -> datetime:
        """When the upcoming occurrence is to be handed out."""
        assert self.upcoming is not None  # noqa: S101 - only lanes with one are in the heap
        return _release(self.upcoming, self.delay)


def _order(firing: Firing) -> tuple[object, ...]:
    """Give the order in which firings are handed out: those of one cycle stand together."""
    return (firing.due, firing.turn, firing.kind, firing.idle, firing.job.plugin_id)


def _is_delayed(schedule: Schedule) -> bool:
    """Tell whether all of a schedule is idle work."""
    return schedule.idle and len(schedule.entries) == 1


def _delay(schedule: Schedule, idle: timedelta) -> timedelta:
    """Give how long after its instant idle work of a schedule is handed out."""
    return idle if _is_delayed(schedule) else timedelta()


def _release(due: Due, delay: timedelta) -> datetime:
    """Give when an occurrence is handed out: at its instant; idle work so much later."""
    return due.instant + delay if due.idle else due.instant


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One instant at which a job will be due."""

    plugin_id: PluginId
    due: datetime
    trigger: str


class Planner:
    """The schedules of one catalog from one instant on.

    Parameters
    ----------
    jobs
        The jobs switched on.
    since
        For each job the instant up to which its occurrences are accounted for (the latest row of
        the ledger); jobs without one start at `start`.
    start
        The present. Occurrences between `since` and `start` are owed at the first tick.
    jumping
        The clock jumps from instant to instant (demo): a job that observes the machine owes only
        the latest of the instants jumped over.
    done
        Ids of runs that the first tick would owe but that are recorded already.
    idle_delay
        How long after the close pure idle work is handed out. A list that holds ``@idle`` among
        other words keeps all of them in the order of their instants.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        *,
        start: datetime,
        since: Mapping[PluginId, datetime] | None = None,
        jumping: bool = False,
        done: Collection[str] = (),
        idle_delay: timedelta = IDLE_DELAY,
    ) -> None:
        self._jumping = jumping
        self._idle_delay = idle_delay
        self._done = done
        self._since = dict(since or {})
        self._start = start
        #: How far the record went at the start; ahead of it when the clock has gone back.
        self.reached = max(self._since.values(), default=start)
        self._begun = False
        self._heap: list[tuple[datetime, int, _Lane]] = []
        self._lanes: list[_Lane] = []
        self._backlog: list[tuple[Job, list[Due]]] = []
        self._extra: list[Firing] = []
        self._cursor = start
        lanes: dict[tuple[object, ...], _Lane] = {}
        for job in jobs:
            self._catch_up(job, (since or {}).get(job.plugin_id, start), start)
            key = (job.schedule.entries, job.schedule.tz, id(job.schedule.calendar))
            lanes.setdefault(
                key, _Lane(job.schedule, _delay(job.schedule, self._idle_delay))
            ).jobs.append(job)
        for lane in lanes.values():
            self._advance(lane, start)
            self._lanes.append(lane)

    def next_instant(self, *, observing: bool = True) -> datetime | None:
        """Give the next instant at which something is owed; None if nothing ever will be.

        With ``observing=False`` jobs that observe the machine do not count.
        """
        if self._backlog or self._extra:
            return self._cursor
        if observing:
            return self._heap[0][0] if self._heap else None
        return min(
            (
                release
                for release, _, lane in self._heap
                if any(not job.observes_machine for job in lane.jobs)
            ),
            default=None,
        )

    def owed(self, tick: Tick) -> Owed:
        """Give all that became due in a stretch of time, by instant and plugin id."""
        total = Owed(firings=self._extra)
        self._extra, self._begun = [], True
        for job, dues in self._backlog:
            found = self._owe(job, dues, tick.now)
            for firing in found.firings:
                firing.in_turn = True
            total.extend(found)
        self._backlog = []
        while self._heap and self._heap[0][0] <= tick.now:
            _, _, lane = heapq.heappop(self._heap)
            dues = self._pass(lane, tick.now)
            for job in lane.jobs:
                total.extend(self._owe(job, dues, tick.now))
        self._cursor = max(self._cursor, tick.now)
        if self._done:
            total.firings = [one for one in total.firings if one.key.run_id not in self._done]
            self._done = ()
        total.firings.sort(key=_order)
        return total

    def add(self, firing: Firing) -> None:
        """Owe one firing more at the next tick: a manual run, or one taken up after a restart."""
        self._extra.append(firing)

    @property
    def cursor(self) -> datetime:
        """The instant up to which everything has been handed out."""
        return self._cursor

    def successor(self, jobs: Iterable[Job], known: Collection[PluginId], now: datetime) -> Planner:
        """Give the planner that goes on with other jobs from here: nothing that is owed gets lost.

        A job among ``known`` goes on where it was; any other starts at its next occurrence.
        """
        jobs = list(jobs)
        over = {
            job.plugin_id: lane
            for lane in self._lanes
            if lane.upcoming is None
            for job in lane.jobs
        }
        since = {
            job.plugin_id: self._accounted(job, over.get(job.plugin_id))
            for job in jobs
            if job.plugin_id in known
        }
        following = Planner(
            jobs,
            start=max(now, self._cursor),
            since=since,
            jumping=self._jumping,
            done=self._done,
            idle_delay=self._idle_delay,
        )
        following._extra = list(self._extra)
        return following

    def _accounted(self, job: Job, over: _Lane | None) -> datetime:
        """Give the due instant up to which the occurrences of a job have been handed out.

        Where its lane is ``over`` no more were known: its calendar's table may have ended before
        the present, and a longer one has those since then.
        """
        reached = self._cursor - _delay(job.schedule, self._idle_delay)
        if over is not None and over.schedule.entries == job.schedule.entries:
            reached = min(reached, over.passed or self._start)
        since = self._since.get(job.plugin_id)
        if self._begun:
            return reached if since is None else max(since, reached)
        return reached if since is None else since

    def next_of_each(self, until: datetime) -> list[Upcoming]:
        """Give the next occurrence of each job up to an instant, soonest first."""
        found = [
            Upcoming(job.plugin_id, lane.upcoming.instant, lane.upcoming.word)
            for lane in self._lanes
            if lane.upcoming is not None and lane.upcoming.instant <= until
            for job in lane.jobs
        ]
        return sorted(found, key=lambda one: (one.due, one.plugin_id))

    def upcoming(self, until: datetime, limit: int = 1000) -> list[Upcoming]:
        """Give what will be due from now on until an instant, by instant and plugin id."""
        found: list[Upcoming] = []
        for lane in self._lanes:
            due = lane.upcoming
            steps = 0
            while due is not None and due.instant <= until and steps < limit:
                found += [Upcoming(job.plugin_id, due.instant, due.word) for job in lane.jobs]
                due = lane.schedule.next_known(due.instant)
                steps += 1
        found.sort(key=lambda one: (one.due, one.plugin_id))
        return found[:limit]

    def next_session(self) -> Upcoming | None:
        """Give the next instant not handed out yet at which a session word of any job fires."""
        found = (
            (said, lane.jobs[0].plugin_id)
            for lane in self._lanes
            if (said := lane.schedule.next_session_word(self._cursor)) is not None
        )
        soonest = min(found, default=None)
        return None if soonest is None else Upcoming(soonest[1], *soonest[0])

    def _catch_up(self, job: Job, since: datetime, start: datetime) -> None:
        """Keep the occurrences between the ledger's last row and the present."""
        dues: list[Due] = []
        due = job.schedule.next_known(since) if since < start else None
        while due is not None and _release(due, _delay(job.schedule, self._idle_delay)) <= start:
            dues.append(due)
            due = job.schedule.next_known(due.instant)
        if dues:
            self._backlog.append((job, dues))

    def _advance(self, lane: _Lane, after: datetime) -> None:
        """Find the lane's next occurrence that is not released yet, and queue the lane by it."""
        due = lane.schedule.next_known(after - lane.delay)
        while due is not None and _release(due, lane.delay) <= after:
            due = lane.schedule.next_known(due.instant)
        self._queue(lane, due)

    def _queue(self, lane: _Lane, due: Due | None) -> None:
        lane.upcoming = due
        if due is not None:
            heapq.heappush(self._heap, (lane.release, id(lane), lane))

    def _pass(self, lane: _Lane, now: datetime) -> list[Due]:
        """Give the lane's occurrences up to now and move it past them."""
        dues: list[Due] = []
        due = lane.upcoming
        while due is not None and _release(due, lane.delay) <= now:
            dues.append(due)
            lane.passed = due.instant
            due = lane.schedule.next_known(due.instant)
        self._queue(lane, due)
        return dues

    def _owe(self, job: Job, dues: list[Due], now: datetime) -> Owed:
        """Decide what becomes of occurrences, but for those that the ledger holds already.

        Such may still lie ahead: idle work is handed out after its instant, and the system clock
        may have gone back.
        """
        since = self._since.get(job.plugin_id)
        if since is not None:
            dues = [due for due in dues if due.instant > since]
        if not dues:
            return Owed()
        if self._jumping and job.observes_machine:
            return owe_latest(job, dues)
        return owe(job, dues, now)
