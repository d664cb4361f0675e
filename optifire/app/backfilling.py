"""Makes up for what is missing of a plugin's past: one stretch, a slice of it at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from optifire.app.status import BACKFILL
from optifire.app.working import worker_settings
from optifire.core.errors import NotFoundError, StateError, UsageError
from optifire.core.job import Job, Placement
from optifire.core.ledger import Batch, NoteRow, RunFilter, RunRow
from optifire.core.ports import Clock
from optifire.core.run import TERMINAL, RunKind, RunStatus
from optifire.core.settings import Settings
from optifire.core.types import PluginId
from optifire.host.catalog import Catalog
from optifire.host.home import Home
from optifire.host.records import instant_text
from optifire.runtime.backfill import Ground, upstream_of, values_then, why_not
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import monotonic
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.store.reader import LedgerReader
from optifire.workers.isolated import IsolatedWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from optifire.core.due import Due
    from optifire.core.ledger import ContextValue
    from optifire.core.stretch import Stretch
    from optifire.runtime.engine import Rooms

#: Seconds of real time after which a slice ends with the run at hand.
SLICE_SECONDS: Final = 3.0
#: Occurrences that are looked up in the ledger at once.
A_LOOK: Final = 50
#: Rows of one plugin that a look reads at most.
MOST_ROWS: Final = 100_000
_JUST_BEFORE: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a backfill is made in: the parts of a service, or those of a command alone."""

    home: Home
    ledger: Path
    recorder: LiveRecorder
    board: Blackboard
    slots: Slots
    clock: Clock


def grounds_of(home: Home, ledger: Path, recorder: LiveRecorder, rooms: Rooms) -> Grounds:
    """Give the grounds of a running engine."""
    return Grounds(home, ledger, recorder, rooms.board, rooms.slots, rooms.clock)


@dataclass(slots=True)
class Slice:
    """What one slice came to.

    ``reached`` is the instant up to which all is accounted for, ``there`` counts what had its
    success before, ``left`` says of each occurrence that could not be made why.
    """

    last: datetime
    reached: datetime
    done: bool = False
    there: int = 0
    made: list[RunRow] = field(default_factory=list)
    left: list[tuple[datetime, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON can say it."""
        return {
            "last": instant_text(self.last),
            "reached": instant_text(self.reached),
            "done": self.done,
            "there": self.there,
            "made": [_brief(row) for row in self.made],
            "left": [{"due": instant_text(due), "reason": why} for due, why in self.left],
        }


@dataclass(slots=True)
class Backfilling:
    """Makes slices of backfills, one after another, whoever asks for them.

    ``catalog`` and ``settings`` give what is in force at the beginning of a slice.
    """

    rooms: Grounds
    catalog: Callable[[], Catalog]
    settings: Callable[[], Settings]
    seconds: float = SLICE_SECONDS
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def backfill(self, stretch: Stretch) -> Slice:
        """Make what is missing of a stretch, for a few seconds, and say how far that came.

        Raises
        ------
        UsageError
            The stretch is none, or has not begun yet.
        NotFoundError, StateError
            No such plugin is switched on, or its past cannot be made up for.
        StoreError
            The ledger cannot be written; what was made before is in it.
        """
        async with self._order:
            job, last = self._judged(stretch)
            after = stretch.first - _JUST_BEFORE if stretch.after is None else stretch.after
            come_to = Slice(last, after)
            if stretch.after is None:
                await self.rooms.recorder.intend(Batch(notes=[self._note(stretch, job, last)]))
            async with self._making() as ground, LedgerReader(self.rooms.ledger) as ledger:
                await _Slicing(ground, ledger, job, self.seconds).go(come_to)
            return come_to

    def _judged(self, stretch: Stretch) -> tuple[Job, datetime]:
        """Give the job, and the last instant that is past; raises what is wrong."""
        catalog, now = self.catalog(), self.rooms.clock.now()
        job = _job_of(catalog, stretch.plugin_id)
        if stretch.last < stretch.first:
            raise UsageError(
                f"--to {instant_text(stretch.last)} lies before --from "
                f"{instant_text(stretch.first)}",
                where="optifire backfill",
                remedy="Turn them around",
            )
        if stretch.first > now:
            raise UsageError(
                f"--from {instant_text(stretch.first)} is not past yet: it is {instant_text(now)}",
                where="optifire backfill",
                remedy="Name a stretch of the past",
            )
        days = self.settings().retention.days
        if stretch.first < now - timedelta(days=days):
            raise UsageError(
                f"--from {instant_text(stretch.first)} lies further back than runs are kept: "
                f"{days} days",
                where="optifire backfill",
                remedy="Name a later instant, or raise retention.days of config.yaml first",
            )
        earliest = job.schedule.calendar.first
        if stretch.first.date() <= earliest:
            raise UsageError(
                f"--from {instant_text(stretch.first)} lies before {earliest}, where the table of "
                f"calendar {job.schedule.calendar.name} begins",
                where="optifire backfill",
                remedy="Name a later instant",
            )
        return job, min(stretch.last, now)

    def _note(self, stretch: Stretch, job: Job, last: datetime) -> NoteRow:
        line = " ".join(stretch.why.split())
        text = f"{instant_text(stretch.first)} to {instant_text(last)} by {stretch.who}"
        now = self.rooms.clock.now()
        return NoteRow(now, BACKFILL, job.plugin_id, f"{text}: {line}" if line else text)

    @asynccontextmanager
    async def _making(self) -> AsyncIterator[Ground]:
        """Give what runs are made with; their processes are those of a replay."""
        rooms = self.rooms
        catalog = self.catalog()
        worker = IsolatedWorker(worker_settings(rooms.home, self.settings(), replay=True))
        try:
            await worker.start()
            runner = Runner(dict.fromkeys(Placement, worker), rooms.clock)
            yield Ground(
                catalog.jobs,
                catalog.graph,
                rooms.clock,
                rooms.recorder,
                runner,
                rooms.slots,
                rooms.board,
            )
        finally:
            await worker.stop()


@dataclass(frozen=True, slots=True)
class _Slicing:
    """One slice at work."""

    ground: Ground
    ledger: LedgerReader
    job: Job
    seconds: float

    async def go(self, come_to: Slice) -> None:
        """Go through the occurrences from where the slice stands, until its time is over."""
        end = monotonic() + self.seconds
        while dues := _dues(self.job, come_to.reached, come_to.last):
            known = await self._known(dues[0].instant, dues[-1].instant)
            for due in dues:
                await self._settle(due, known, come_to)
                come_to.reached = due.instant
                if monotonic() >= end:
                    return
        come_to.reached, come_to.done = come_to.last, True

    async def _settle(self, due: Due, known: _Known, come_to: Slice) -> None:
        """Account for one occurrence: it is there, under way, or made now."""
        if due.skip is not None:
            return
        if due.instant in known.done:
            come_to.there += 1
        elif due.instant in known.going_on:
            come_to.left.append((due.instant, "its scheduled run is not over yet"))
        else:
            turn = known.turns.get(due.instant, 0)
            row = await self.ground.make(self.job, due, turn, await self._then(due.instant))
            if row.attempts:
                come_to.made.append(row)
            else:
                come_to.left.append((due.instant, str(row.reason)))

    async def _known(self, first: datetime, last: datetime) -> _Known:
        """Give what the ledger has of a few occurrences."""
        known, own = _Known(), self.job.plugin_id
        asked = [(each, RunKind.BACKFILL) for each in upstream_of(own, self.ground.graph)]
        for plugin_id, kind in (*asked, (own, RunKind.SCHEDULED)):
            which = RunFilter(plugin_id, since=first, until=last, limit=MOST_ROWS, kind=kind)
            for row in await self.ledger.runs(which):
                known.take(row, own=plugin_id == own)
        return known

    async def _then(self, due: datetime) -> dict[str, ContextValue]:
        """Give the shared context as it stood at an instant, of what this plugin can reach."""
        rows: list[RunRow] = []
        for plugin_id in upstream_of(self.job.plugin_id, self.ground.graph):
            which = RunFilter(plugin_id=plugin_id, status="succeeded", until=due, limit=1)
            rows += await self.ledger.runs(which)
        return values_then(rows, self.ground.jobs, self.ground.graph)


@dataclass(slots=True)
class _Known:
    """What the ledger has of some occurrences; ``turns`` are the next that are free."""

    done: set[datetime] = field(default_factory=set)
    going_on: set[datetime] = field(default_factory=set)
    turns: dict[datetime, int] = field(default_factory=dict)

    def take(self, row: RunRow, *, own: bool) -> None:
        """Take in one row; one of another plugin only takes its turn."""
        key = row.key
        if key.kind is RunKind.BACKFILL:
            self.turns[key.due] = max(self.turns.get(key.due, 0), key.turn + 1)
        if own and row.status is RunStatus.SUCCEEDED:
            self.done.add(key.due)
        if own and key.kind is RunKind.SCHEDULED and row.status not in TERMINAL:
            self.going_on.add(key.due)


def _dues(job: Job, after: datetime, last: datetime) -> Sequence[Due]:
    """Give the next few occurrences of a job after one instant, and up to another."""
    found: list[Due] = []
    due = job.schedule.next_known(after)
    while due is not None and due.instant <= last and len(found) < A_LOOK:
        found.append(due)
        due = job.schedule.next_known(due.instant)
    return found


def _job_of(catalog: Catalog, plugin_id: str) -> Job:
    """Give the job whose past can be made up for; raises what is against it."""
    listed = catalog.find(plugin_id)
    if listed.error is not None:
        raise listed.error
    job = catalog.jobs.get(PluginId(listed.plugin_id))
    if job is None:
        raise NotFoundError(
            "is switched off",
            where=plugin_id,
            remedy=f"Run `optifire plugins enable {listed.plugin_id}` first",
        )
    why = why_not(job)
    if not why and not job.schedule.timed:
        why = "has no schedule that names instants"
    if why:
        raise StateError(
            f"{listed.plugin_id} {why}",
            where="optifire backfill",
            remedy="Name one that computes from recorded data, at instants of its own schedule",
        )
    return job


def _brief(row: RunRow) -> dict[str, str | None]:
    return {
        "run_id": row.run_id,
        "due": instant_text(row.key.due),
        "status": row.status.value,
        "reason": None if row.reason is None else str(row.reason),
    }
