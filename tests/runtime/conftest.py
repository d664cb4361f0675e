"""A small world for the runtime: jobs by name, bodies as functions, a store that remembers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from optifire.core.calendar import AlwaysOpen, Calendar
from optifire.core.errors import StoreError
from optifire.core.firing import Firing
from optifire.core.graph import Absent, Declaration, Graph, build_graph
from optifire.core.job import Code, Job, Placement, parse_need
from optifire.core.ledger import Batch, Recovered, Rejected, RunRow, Statement
from optifire.core.ports import Clock, Outcome, Published, RunRequest
from optifire.core.run import TERMINAL, Failure, RunStatus
from optifire.core.schedule import parse_schedule
from optifire.core.types import Encoded, PluginId
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import SystemClock, VirtualClock
from optifire.runtime.cycle import Cycle, CycleEnd
from optifire.runtime.engine import Engine, Pace, Program, Rooms
from optifire.runtime.overlap import LiveRuns
from optifire.runtime.parts import Parts, listeners_of
from optifire.runtime.pauses import Pauses
from optifire.runtime.recorder import LiveRecorder, Recorder, ReplayRecorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.runtime.standings import Standings

START = datetime(2018, 11, 23, 11, 59, 30, tzinfo=UTC)
NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
Body = Callable[[RunRequest], Awaitable[Outcome]]


def enc(value: object) -> Encoded:
    return Encoded(msgspec.msgpack.encode(value))


def dec(value: bytes) -> Any:
    return msgspec.msgpack.decode(value)


async def let_others_run(times: int = 1) -> None:
    """Yield to the loop, which takes no time."""
    for _ in range(times):
        await asyncio.sleep(0)  # noqa: TID251 - the one place where tests yield


class FakeStore:
    """Keeps every committed batch, and like the ledger lets no terminal status change.

    `refusing` makes the next commits fail, `reject` the table writes of some plugins; while
    `full` is set every commit fails.
    """

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.rows: dict[str, RunRow] = {}
        self.history: list[tuple[str, RunStatus]] = []
        self.refusing = 0
        self.full = False
        self.held: list[bool] = []
        self.reject: dict[str, Failure] = {}

    async def open(self) -> Recovered:
        return Recovered(
            start=1, clean=True, values=(), open_runs=(), cursors={}, waiting_events=()
        )

    async def commit(self, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:
        await let_others_run()
        if self.refusing or self.full:
            self.refusing = max(0, self.refusing - 1)
            raise StoreError("disk full")
        for row in batch.runs:
            was = self.rows.get(row.run_id)
            assert was is None or was.status not in TERMINAL, f"{row.run_id} has ended"
        self.batches.append(batch)
        self.held.append(hold)
        for row in batch.runs:
            self.rows[row.run_id] = replace(row)
            self.history.append((row.run_id, row.status))
        rejected = [
            Rejected(one.run_id, self.reject[one.plugin_id])
            for one in batch.writes
            if one.plugin_id in self.reject
        ]
        for one in rejected:
            row = self.rows[one.run_id]
            self.rows[one.run_id] = replace(row, status=RunStatus.FAILED, failure=one.failure)
        return rejected

    async def snapshot(self) -> "FakeReader":
        return FakeReader()

    async def close(self, *, clean: bool = True) -> None:
        return


class FakeReader:
    async def fetch(self, sql: str, params: Encoded, *, one: bool, plugin_id: str = "") -> Encoded:
        return enc([])

    async def close(self) -> None:
        return


class FakeWorker:
    name = "fake"

    def __init__(self, bodies: Mapping[str, Body]) -> None:
        self.bodies = bodies
        self.requests: list[RunRequest] = []
        self.order: list[tuple[str, str]] = []

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def run(self, request: RunRequest) -> Outcome:
        self.requests.append(request)
        plugin_id = request.job.plugin_id
        self.order.append(("start", plugin_id))
        body = self.bodies.get(plugin_id)
        outcome = await body(request) if body else Outcome(RunStatus.SUCCEEDED)
        self.order.append(("end", plugin_id))
        return outcome

    def given(self, plugin_id: str) -> dict[str, Any]:
        request = next(r for r in self.requests if r.job.plugin_id == plugin_id)
        return {name: dec(one.value) for name, one in request.given.items()}


def outputs(**values: object) -> Body:
    async def body(request: RunRequest) -> Outcome:
        return Outcome(RunStatus.SUCCEEDED, outputs={k: enc(v) for k, v in values.items()})

    return body


def fails(*, retryable: bool = False) -> Body:
    async def body(request: RunRequest) -> Outcome:
        return Outcome(RunStatus.FAILED, failure=Failure("Boom", "boom", retryable=retryable))

    return body


def leaves(
    *,
    writes: Mapping[str, object] | None = None,
    events: Sequence[str] = (),
    sql: Sequence[str] = (),
    outputs: Mapping[str, object] | None = None,
) -> Body:
    async def body(request: RunRequest) -> Outcome:
        return Outcome(
            RunStatus.SUCCEEDED,
            outputs={k: enc(v) for k, v in (outputs or {}).items()},
            writes={k: enc(v) for k, v in (writes or {}).items()},
            events=tuple(Published(name, enc(None), "") for name in events),
            statements=tuple(Statement(text, enc([])) for text in sql),
        )

    return body


@dataclass
class World:
    calendar: Calendar = field(default_factory=AlwaysOpen)
    clock: Clock = field(default_factory=lambda: VirtualClock(NOON))
    bodies: dict[str, Body] = field(default_factory=dict)
    jobs: dict[PluginId, Job] = field(default_factory=dict)
    needs: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    off: set[str] = field(default_factory=set)
    store: FakeStore = field(default_factory=FakeStore)
    board: Blackboard = field(default_factory=Blackboard)
    live: LiveRuns = field(default_factory=LiveRuns)
    slots: Slots = field(default_factory=lambda: Slots(4))
    replaying: bool = False
    standings: Standings | None = None
    pauses: Pauses | None = None

    def __post_init__(self) -> None:
        self.worker = FakeWorker(self.bodies)

    def job(
        self,
        name: str,
        body: Body | None = None,
        *,
        needs: tuple[Any, ...] = (),
        out: tuple[str, ...] = (),
        schedule: object = "@manual",
        **fields: Any,
    ) -> Job:
        words = parse_schedule(schedule, calendar=self.calendar)
        category = fields.pop("category", "alpha")
        made = Job(
            PluginId(name), "1.0.0", category, words, Code(f"/{name}", name, "00"),
            needs=tuple(parse_need(n) for n in needs), outputs=out, **fields,
        )  # fmt: skip
        self.jobs[made.plugin_id] = made
        if body is not None:
            self.bodies[name] = body
        return made

    def graph(self) -> Graph:
        declared = [
            Declaration(j.plugin_id, outputs=j.outputs, inputs=j.inputs, needs=j.needs)
            for j in self.jobs.values()
            if j.plugin_id not in self.off
        ]
        absent = [
            Absent(j.plugin_id, outputs=j.outputs)
            for j in self.jobs.values()
            if j.plugin_id in self.off
        ]
        return build_graph(declared, absent=absent, host_names=("market_data",))

    def recorder(self) -> Recorder:
        if self.replaying:
            return ReplayRecorder(self.store, self.board)
        return LiveRecorder(self.store, self.board, self.clock)

    def parts(self) -> Parts:
        runner = Runner(dict.fromkeys(Placement, self.worker), self.clock)
        return Parts(
            self.jobs, self.graph(), listeners_of(self.jobs), self.clock, self.recorder(), runner,
            self.slots, self.live, self.board, lambda job: job.plugin_id not in self.off,
            lambda name: self.jobs[name].schedule, standings=self.standings, pauses=self.pauses,
        )  # fmt: skip

    async def cycle(self, *names: str, due: datetime = NOON, turn: int = 0) -> CycleEnd:
        firings = [
            Firing(self.jobs[PluginId(n)], due, "test", timedelta(seconds=120), turn) for n in names
        ]
        return await Cycle(firings, self.parts()).run()

    def row(self, name: str, due: datetime = NOON) -> RunRow:
        rows = self.store.rows.values()
        found = [r for r in rows if r.key.plugin_id == name and r.key.due == due]
        assert len(found) == 1, found
        return found[0]

    def status(self, name: str, due: datetime = NOON) -> str:
        row = self.row(name, due)
        return f"{row.status.value}({row.reason})" if row.reason else row.status.value


class FakeTimer:
    """A wall clock and its timer in the hands of a test: time passes in `advance` only."""

    def __init__(self, start: datetime, quiet: Callable[[], object] = lambda: None) -> None:
        self._now = start
        self._armed: datetime | None = None
        self._ring: Callable[[], None] = lambda: None
        self._pauses: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._quiet = quiet
        self.stopped = False

    def now(self) -> datetime:
        return self._now

    def start(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def arm(self, instant: datetime | None) -> None:
        self._armed = instant

    def ring(self) -> None:
        self._ring()

    def stop(self) -> None:
        self.stopped = True

    @property
    def pausing(self) -> int:
        return sum(not future.done() for _, _, future in self._pauses)

    async def pause(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = self._now + timedelta(seconds=seconds)
        self._pauses.append((until, len(self._pauses), future))
        await future

    async def advance(self, until: datetime) -> None:
        """Let time pass up to an instant, and all that it sets off."""
        await self.settle()
        while (coming := self._coming()) and min(coming) <= until:
            self._now = max(self._now, min(coming))
            for at, _, future in sorted(self._pauses, key=lambda one: one[:2]):
                if at <= self._now and not future.done():
                    future.set_result(None)
            if self._armed is not None and self._armed <= self._now:
                self._armed = None
                self._ring()
            await self.settle()
        self._now = max(self._now, until)
        await self.settle()

    def _coming(self) -> list[datetime]:
        coming = [at for at, _, future in self._pauses if not future.done()]
        return coming if self._armed is None else [*coming, self._armed]

    async def settle(self) -> None:
        """Let everything go on until nothing happens any more."""
        still, seen = 0, self._quiet()
        while still < 30:
            await let_others_run()
            still = still + 1 if seen == self._quiet() else 0
            seen = self._quiet()


class Stage:
    """An engine over a world, with whatever clock, and what it told about crashes."""

    def __init__(
        self,
        world: World,
        *,
        start: datetime = START,
        clock: Clock | None = None,
        pace: Pace | None = None,
        since: Mapping[PluginId, datetime] | None = None,
        done: Sequence[str] = (),
    ) -> None:
        self.world = world
        self.timer = FakeTimer(start, lambda: (len(world.store.history), len(world.worker.order)))
        self.crashes: list[tuple[str, BaseException]] = []
        self.heard: list[Batch] = []
        self.cancelled = 0
        world.clock = clock or SystemClock(self.timer)
        self.recorder = LiveRecorder(world.store, world.board, world.clock, self.heard.append)
        recorder: Recorder = world.recorder() if world.replaying else self.recorder
        runner = Runner(dict.fromkeys(Placement, world.worker), world.clock)
        rooms = Rooms(world.clock, recorder, runner, world.board, world.slots, world.live)
        self.engine = Engine(
            self.program(),
            replace(rooms, pauses=world.pauses),
            pace or Pace(),
            start=start,
            since=since or {},
            report=lambda name, error: self.crashes.append((name, error)),
            done=done,
        )

    def program(self) -> Program:
        """Give the jobs of the world that are on."""
        on = {name: job for name, job in self.world.jobs.items() if name not in self.world.off}
        return Program(on, self.world.graph())

    @asynccontextmanager
    async def running(self, *, grace: float = 0.0) -> AsyncIterator[FakeTimer]:
        """Run the engine for the length of a block, stop it and see it end."""
        task = asyncio.create_task(self.engine.run(grace=grace))
        await self.timer.settle()
        try:
            yield self.timer
        finally:
            self.engine.stop()
            async with asyncio.timeout(20):
                self.cancelled = await task


class Gate:
    """A body that waits until it is opened, for all its runs at once."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.open = asyncio.Event()
        self.begun = asyncio.Event()
        self.outcome = outcome or Outcome(RunStatus.SUCCEEDED)

    async def __call__(self, request: RunRequest) -> Outcome:
        self.begun.set()
        await self.open.wait()
        return replace(self.outcome)


@pytest.fixture
def world() -> Iterator[World]:
    """Give a world in which nothing is held or waited for once the test is over."""
    made = World()
    yield made
    assert len(made.slots) == made.slots.waiting == len(made.live) == len(made.live.all()) == 0


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """Hand out the helpers of this file, which tests cannot import."""
    shared = (World, Stage, Gate, FakeStore, FakeWorker, FakeTimer, enc, dec, outputs, fails)
    by_name = {each.__name__: each for each in (*shared, leaves, let_others_run)}
    return SimpleNamespace(**by_name, noon=NOON, start=START)
