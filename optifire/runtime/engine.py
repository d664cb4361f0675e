"""The running schedule: one program of jobs, its planner, and the cycles in flight.

The live service, the replay, the demo and the test kit are this one engine with other parts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from optifire.core.errors import NotFoundError, StateError
from optifire.core.firing import BY_HAND, IDLE_DELAY, Firing
from optifire.core.graph import Graph
from optifire.core.job import Job
from optifire.core.ports import Clock, Event, Tick
from optifire.core.run import RunKind
from optifire.core.types import Encoded, PluginId, RunId
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.orchestrator import EVENT_GRACE, Orchestrator, firings_of_events
from optifire.runtime.overlap import LiveRuns, Manner
from optifire.runtime.parts import Parts, listeners_of
from optifire.runtime.pauses import Pauses
from optifire.runtime.planner import Planner
from optifire.runtime.recorder import Recorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.runtime.standings import Standings
from optifire.runtime.streams import Streams
from optifire.runtime.supervisor import Report, Supervisor, Work

if TYPE_CHECKING:
    from optifire.core.ledger import EventRow, NoteRow
    from optifire.core.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Program:
    """The jobs that are switched on, and who needs whom."""

    jobs: Mapping[PluginId, Job]
    graph: Graph


#: Gives an event to a job that handles events, at an instant.
Tell = Callable[[Job, Event, datetime], None]


def tell_nobody(_: Job, __: Event, ___: datetime) -> None:
    """Let an event go: nothing here handles any."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms that an engine works with.

    ``safety_timeout`` replaces timeouts in a replay, which has neither ``standings`` nor
    ``pauses``: nobody is quarantined or paused there. ``tell`` gives the host's session events to
    the jobs that handle events; those of other jobs are heard from the commit bus.
    """

    clock: Clock
    recorder: Recorder
    runner: Runner
    board: Blackboard
    slots: Slots
    live: LiveRuns = field(default_factory=LiveRuns)
    safety_timeout: float = 0.0
    standings: Standings | None = None
    tell: Tell = tell_nobody
    pauses: Pauses | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How cycles follow each other.

    Attributes
    ----------
    in_step
        One cycle after another (replay, demo); otherwise ticks do not wait for cycles.
    until
        The last instant to be accounted for, None to go on for ever.
    jumping
        The clock jumps (demo): observers of the machine run only the latest instant jumped over.
    stay
        Wait for manual runs after the last instant, instead of returning.
    """

    in_step: bool = False
    until: datetime | None = None
    jumping: bool = False
    stay: bool = False


#: What session events bring with them, encoded.
_NOTHING = Encoded(b"\xc0")
#: Nothing goes on beside the schedule.
NO_ROOMS: Mapping[str, Work] = MappingProxyType({})


class Engine:
    """Runs a program from one instant on.

    Parameters
    ----------
    program, rooms, pace
        What runs, with what, and how.
    start
        The present.
    since
        For each job the instant up to which its occurrences are accounted for.
    report
        Is told of crashes.
    done
        Ids of runs that the first tick would owe but the ledger holds already.
    notes
        Gives what is to be written down about a stretch of time beside its runs.
    """

    def __init__(
        self,
        program: Program,
        rooms: Rooms,
        pace: Pace,
        *,
        start: datetime,
        since: Mapping[PluginId, datetime],
        report: Report,
        done: Collection[str] = (),
        notes: Callable[[Tick], Sequence[NoteRow]] = lambda _: (),
    ) -> None:
        self.rooms = rooms
        self.passed = notes
        self.pace = pace
        self._report = report
        self._program = program
        self._planner = Planner(
            program.jobs.values(),
            start=start,
            since=since,
            jumping=pace.jumping,
            done=done,
            idle_delay=IDLE_DELAY if pace.in_step else timedelta(),
        )
        self._parts = self._make_parts()
        self._supervisor: Supervisor | None = None
        self._orchestrator = Orchestrator(
            self, in_step=pace.in_step, until=pace.until, stay=pace.stay
        )
        #: Where the loop of the schedule stands.
        self.place = self._orchestrator.place
        self.streams = Streams(rooms.live, rooms.clock, self._orchestrator.work, rooms.pauses)

    @property
    def program(self) -> Program:
        """The jobs switched on now."""
        return self._program

    def parts(self) -> Parts:
        """Give catalog and rooms as they are now; a cycle keeps what it got."""
        return self._parts

    def planner(self) -> Planner:
        """Give the planner of the present program."""
        return self._planner

    @property
    def finished(self) -> bool:
        """Whether nothing is due any more before the last instant."""
        return self._orchestrator.finished

    def tell(self, firing: Firing) -> None:
        """Give a session event to a job that handles events."""
        self.rooms.tell(firing.job, Event(firing.trigger, _NOTHING, "host"), firing.due)

    def spawn(self, name: str, cycle: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        """Run a cycle as a supervised task."""
        if self._supervisor is None:
            raise StateError("the engine is not running", remedy="Call run() first")
        return self._supervisor.cycle(name, cycle)

    async def run(self, *, grace: float = 0.0, rooms: Mapping[str, Work] = NO_ROOMS) -> int:
        """Run until `stop` or the last instant; give how many cycles had to be cancelled.

        ``grace`` is how many seconds the cycles in flight have after `stop`; ``rooms`` goes on
        beside the schedule until the end.
        """
        async with Supervisor(self._report) as self._supervisor:
            for name, work in rooms.items():
                self._supervisor.room(name, work)
            self.streams.apply(self._program.jobs, self.spawn)
            await self._orchestrator.run()
            self.streams.stop()
            endless = self.pace.until is None or self.pace.stay
            return await self._supervisor.drain(grace if endless else None)

    def stop(self) -> None:
        """Start no further cycle."""
        self._orchestrator.stop()

    def swap(self, program: Program) -> None:
        """Go over to another program between two ticks; nothing that is owed gets lost.

        A job that was on goes on where it was; one switched on now starts at its next occurrence.
        """
        known, now = self._program.jobs.keys(), self.rooms.clock.now()
        self._planner = self._planner.successor(program.jobs.values(), known, now)
        self._program = program
        self._parts = self._make_parts()
        if self._supervisor is not None:
            self.streams.apply(program.jobs, self.spawn)
        self.rooms.clock.wake()

    def take_up(self, firings: Sequence[Firing], events: Sequence[EventRow]) -> None:
        """Owe what was in flight when the service ended: runs, and events nobody answered."""
        for firing in firings:
            self._planner.add(firing)
        turns: dict[tuple[datetime, int], list[EventRow]] = {}
        for event in events:
            turns.setdefault((event.due, event.turn), []).append(event)
        for rows in turns.values():
            for firing in firings_of_events(rows, self._parts):
                self._planner.add(firing)

    def fire(self, plugin_id: PluginId, *, force: str = "") -> RunId:
        """Owe one manual run now and give its id; `force` is the reason to disregard overlap.

        Raises
        ------
        NotFoundError
            No job of this id is switched on.
        StateError
            It is a stream.
        """
        job = self._program.jobs.get(plugin_id)
        if job is None:
            raise NotFoundError(
                f"no plugin {plugin_id!r} is switched on",
                where=plugin_id,
                remedy=f"Run `optifire plugins enable {plugin_id}`, or see `optifire plugins list`",
            )
        if job.schedule.continuous:
            raise StateError(
                f"{plugin_id} is a stream, which runs by itself",
                where=plugin_id,
                remedy=f"See its parts with `optifire runs --plugin {plugin_id}`",
            )
        now = self.rooms.clock.now()
        firing = Firing(job, now, BY_HAND, EVENT_GRACE, kind=RunKind.MANUAL, force=force)
        self._planner.add(firing)
        self.rooms.clock.wake()
        return firing.key.run_id

    def cancel(self, run_id: str, why: str) -> bool:
        """End a run in progress, or idle work that waits; False when there is none of this id."""
        for run in self.rooms.live.all():
            if run.firing.key.run_id == run_id:
                run.end(why, Manner.GRACE)
                return True
        return self._orchestrator.drop(run_id, why)

    def _announce(self, events: Sequence[EventRow]) -> None:
        """Owe the runs that the events of a stream start."""
        for firing in firings_of_events([one for one in events if not one.taken], self._parts):
            self._planner.add(firing)
        self.rooms.clock.wake()

    def _make_parts(self) -> Parts:
        rooms = self.rooms

        def schedule_of(plugin_id: PluginId) -> Schedule | None:
            job = self._program.jobs.get(plugin_id)
            return None if job is None else job.schedule

        return Parts(
            self._program.jobs,
            self._program.graph,
            listeners_of(self._program.jobs),
            rooms.clock,
            rooms.recorder,
            rooms.runner,
            rooms.slots,
            rooms.live,
            rooms.board,
            lambda job: job.plugin_id in self._program.jobs,
            schedule_of,
            rooms.safety_timeout,
            rooms.standings,
            self._announce,
            rooms.pauses,
        )
