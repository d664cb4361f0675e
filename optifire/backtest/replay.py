"""Replay: the same planner, resolver, admission, runner and recorder on a virtual clock.

A run takes no virtual time, cycles run one after another, and each is one transaction of the
replay's own ledger. An unfinished ledger is taken up after its last complete cycle.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from optifire.app.holidays import holiday_row
from optifire.backtest.compare import Comparison, Scope, compare
from optifire.backtest.digest import digest_of_records
from optifire.core.errors import ReplayError
from optifire.core.firing import IDLE_DELAY
from optifire.core.job import Placement
from optifire.core.ledger import Batch, NoteRow, Recovered, RunFilter
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import VirtualClock, monotonic
from optifire.runtime.engine import Engine, Pace, Program, Rooms
from optifire.runtime.recorder import ReplayRecorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.workers.kept import in_files

if TYPE_CHECKING:
    from optifire.core.calendar import Calendar
    from optifire.core.ports import Worker
    from optifire.runtime.hiding import Mask
    from optifire.store.sqlite import SqliteStore
from optifire.core.types import PluginId
from optifire.store.reader import LedgerReader

#: Facts that a replay's ledger keeps about itself.
META_PARAMETERS, META_TICK, META_DIGEST = "replay", "tick", "digest"
#: More runs than one tick of a replay can hold.
MOST_IN_A_TICK = 1_000_000
#: Seconds of real time that one run of a replay may take before the replay stops with an error.
SAFETY_SECONDS = 60.0
_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay: whole days of the market, both included, of all jobs or of some.

    Without `db` the ledger is thrown away at the end; `workers` is how many runs of one cycle go
    on at once; `against` is a ledger to be compared with when the replay has ended. With
    `shift_after` all data that became known after that instant is changed (a look-ahead check).
    """

    first: date
    last: date
    plugins: tuple[str, ...] | None = None
    db: Path | None = None
    workers: int = 2
    isolated: bool = False
    against: Path | None = None
    shift_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come: sessions passed, of how many, the virtual present."""

    done: int
    total: int
    now: datetime


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a finished replay says.

    ``wall_s`` is seconds of real time; ``left_out`` says why plugins had no part in it.
    """

    digest: str
    first: date
    last: date
    sessions: int
    wall_s: float
    statuses: Mapping[str, Mapping[str, int]]
    db: Path | None
    comparison: Comparison | None = None
    left_out: Mapping[PluginId, str] = field(default_factory=dict)


class Replay:
    """Plays a program over a stretch of days into one ledger.

    Parameters
    ----------
    program
        The jobs, already without those that observe the machine.
    calendar
        Whose sessions are counted.
    options
        What to replay.
    worker
        Where the attempts of all jobs execute.
    ledger
        The replay's own, empty or unfinished.
    progress
        Is told after every cycle.
    left_out
        Why plugins that are switched on have no place in the replay; one row says so for each.
    mask
        Takes secrets out of what is said about runs.
    """

    def __init__(
        self,
        program: Program,
        calendar: Calendar,
        options: ReplayOptions,
        worker: Worker,
        ledger: SqliteStore,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        left_out: Mapping[PluginId, str] | None = None,
        mask: Mask | None = None,
    ) -> None:
        self._program = program
        self._options = options
        self._worker = worker
        self._ledger = ledger
        self._progress = progress
        self._left_out = left_out or {}
        self._mask = mask
        self._sessions = calendar.sessions(options.first, options.last)
        self._closes = [session.close for session in self._sessions]
        zone = ZoneInfo(calendar.tz)
        self._begin = _midnight(options.first, zone) - _JUST_BEFORE
        self._until = _midnight(options.last + timedelta(days=1), zone) - _JUST_BEFORE
        self._holidays = [
            holiday_row(calendar, day, name)
            for day, name in calendar.holidays(options.first, options.last)
        ]
        self._crash: BaseException | None = None
        self._clock = VirtualClock(self._begin)

    async def run(self) -> ReplayResult:
        """Play to the last day and give the digest.

        Raises
        ------
        ReplayError
            The ledger is finished or holds another replay, or a run hit the safety limit.
        """
        began = monotonic()
        recovered = await self._ledger.open()
        try:
            await self._play(recovered)
            async with LedgerReader(self._ledger.path) as reader:
                statuses = await reader.statuses()
                digest = await digest_of_records(reader.records())
            await self._ledger.commit(Batch(meta={META_DIGEST: digest}))
            comparison = await self._compare()
        finally:
            await self._ledger.close()
        options = self._options
        return ReplayResult(
            digest,
            options.first,
            options.last,
            len(self._sessions),
            monotonic() - began,
            statuses,
            options.db,
            comparison,
            {**self._left_out},
        )

    async def _compare(self) -> Comparison | None:
        """Compare with the other ledger, where one was named."""
        other = self._options.against
        if other is None:
            return None
        scope = Scope(self._program.jobs, self._begin, self._until)
        return await compare(self._ledger.path, other, scope)

    async def _play(self, recovered: Recovered) -> None:
        """Run the engine from where the ledger ends to the last instant."""
        start = self._resume_point(recovered.meta)
        board = Blackboard(in_files(recovered.values))
        rooms = Rooms(
            self._clock,
            ReplayRecorder(self._ledger, board, self._seal, self._mask),
            Runner(dict.fromkeys(Placement, self._worker), self._clock),
            board,
            Slots(self._options.workers),
            safety_timeout=SAFETY_SECONDS,
        )
        self._engine = Engine(
            self._program,
            rooms,
            Pace(in_step=True, until=self._until),
            start=start,
            since={},
            report=self._report,
            done=await self._done_since(start),
        )
        if start == self._begin and META_PARAMETERS not in recovered.meta:
            await self._ledger.commit(self._preface())
        self._engine.take_up((), recovered.waiting_events)
        await self._worker.start()
        try:
            await self._engine.run()
        finally:
            await self._worker.stop()
        if self._crash is not None:
            raise _as_replay_error(self._crash)

    async def _done_since(self, start: datetime) -> frozenset[str]:
        """Give the runs that the ledger holds of the tick to be taken up, idle ones too."""
        if start == self._begin:
            return frozenset()
        async with LedgerReader(self._ledger.path) as reader:
            rows = await reader.runs(RunFilter(since=start - IDLE_DELAY, limit=MOST_IN_A_TICK))
        return frozenset(row.run_id for row in rows)

    def _resume_point(self, meta: Mapping[str, str]) -> datetime:
        """Give where to begin: at the first day, or just before the last tick of the ledger."""
        where = str(self._ledger.path)
        if META_PARAMETERS not in meta:
            return self._begin
        if META_DIGEST in meta:
            raise ReplayError(
                f"this replay is finished, with digest {meta[META_DIGEST]}",
                where=where,
                remedy="Name another file with --db, or read it with `optifire runs --db`",
            )
        if meta[META_PARAMETERS] != self._parameters():
            raise ReplayError(
                "this file holds another replay (other days, plugins, code or configuration)",
                where=where,
                remedy="Name another file with --db, or repeat the replay that began it",
            )
        tick = meta.get(META_TICK)
        return self._begin if tick is None else datetime.fromisoformat(tick) - _JUST_BEFORE

    def _parameters(self) -> str:
        """Spell out everything that the digest depends on and the caller chooses."""
        jobs = self._program.jobs
        spelled = {
            "first": self._options.first.isoformat(),
            "last": self._options.last.isoformat(),
            "jobs": {each: [job.code.checksum, job.config_hash] for each, job in jobs.items()},
        }
        return msgspec.json.encode(spelled, order="sorted").decode()

    def _preface(self) -> Batch:
        """Give what is written before the first cycle: parameters, and why some things are not."""
        notes = [
            NoteRow(self._begin, "left_out", each, self._left_out[each])
            for each in sorted(self._left_out)
        ]
        return Batch(meta={META_PARAMETERS: self._parameters()}, notes=notes + self._holidays)

    def _seal(self) -> Batch:
        """Give what is written with each cycle: the tick that it belongs to."""
        now = self._clock.now()
        self._progress(Progress(bisect_right(self._closes, now), len(self._closes), now))
        return Batch(meta={META_TICK: now.isoformat()})

    def _report(self, _: str, error: BaseException) -> None:
        """Stop at the first crash: a replay is whole or nothing."""
        if self._crash is None:
            self._crash = error
            self._engine.stop()


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _as_replay_error(error: BaseException) -> BaseException:
    """Give the replay error inside a group of errors, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
