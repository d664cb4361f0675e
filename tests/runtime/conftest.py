"""A small world for the runtime: jobs by name, bodies as functions, a store that remembers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from optifire.core.calendar import AlwaysOpen, Calendar
from optifire.core.errors import StoreError
from optifire.core.firing import Firing
from optifire.core.graph import Absent, Declaration, Graph, build_graph
from optifire.core.job import Code, Job, Placement, parse_need
from optifire.core.ledger import Batch, Recovered, Rejected, RunRow
from optifire.core.ports import Clock, Outcome, Published, RunRequest, Statement
from optifire.core.run import Failure, RunStatus
from optifire.core.schedule import parse_schedule
from optifire.core.types import Encoded, PluginId
from optifire.runtime.admission import Slots
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import VirtualClock
from optifire.runtime.cycle import Cycle, CycleEnd
from optifire.runtime.overlap import LiveRuns
from optifire.runtime.parts import Parts, listeners_of
from optifire.runtime.recorder import LiveRecorder, Recorder, ReplayRecorder
from optifire.runtime.runner import Runner

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
Body = Callable[[RunRequest], Awaitable[Outcome]]


def enc(value: object) -> Encoded:
    return Encoded(msgspec.msgpack.encode(value))


def dec(value: bytes) -> Any:
    return msgspec.msgpack.decode(value)


class FakeStore:
    """Keeps every committed batch; `refusing` makes the next commits fail, `reject` some runs."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.rows: dict[str, RunRow] = {}
        self.history: list[tuple[str, RunStatus]] = []
        self.refusing = 0
        self.reject: dict[str, Failure] = {}

    async def open(self) -> Recovered:
        return Recovered(1, True, (), (), {}, ())

    async def commit(self, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:
        await asyncio.sleep(0)
        if self.refusing:
            self.refusing -= 1
            raise StoreError("disk full")
        self.batches.append(batch)
        for row in batch.runs:
            self.rows[row.run_id] = replace(row)
            self.history.append((row.run_id, row.status))
        return [
            Rejected(one.run_id, self.reject[one.plugin_id])
            for one in batch.writes
            if one.plugin_id in self.reject
        ]

    async def snapshot(self) -> "FakeReader":
        return FakeReader()

    async def close(self, *, clean: bool = True) -> None:
        return


class FakeReader:
    async def fetch(
        self, sql: str, params: Encoded, *, one: bool, plugin_id: str = ""
    ) -> Encoded:
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
        made = Job(
            PluginId(name), "1.0.0", "alpha", words, Code(f"/{name}", name, "00"),
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
            lambda plugin_id: self.jobs[plugin_id].schedule,
        )  # fmt: skip

    async def cycle(self, *names: str, due: datetime = NOON, turn: int = 0) -> CycleEnd:
        firings = [
            Firing(self.jobs[PluginId(n)], due, "test", timedelta(seconds=120), turn) for n in names
        ]
        return await Cycle(firings, self.parts()).run()

    def row(self, name: str, due: datetime = NOON) -> RunRow:
        found = [
            r for r in self.store.rows.values() if r.key.plugin_id == name and r.key.due == due
        ]
        assert len(found) == 1, found
        return found[0]

    def status(self, name: str, due: datetime = NOON) -> str:
        row = self.row(name, due)
        return f"{row.status.value}({row.reason})" if row.reason else row.status.value


@dataclass(frozen=True)
class Kit:
    """The helpers of this file, for tests that cannot import them."""

    World: type[World] = World
    FakeStore: type[FakeStore] = FakeStore
    FakeWorker: type[FakeWorker] = FakeWorker
    noon: datetime = NOON
    enc: Callable[[object], Encoded] = staticmethod(enc)
    dec: Callable[[bytes], Any] = staticmethod(dec)
    outputs: Callable[..., Body] = staticmethod(outputs)
    fails: Callable[..., Body] = staticmethod(fails)
    leaves: Callable[..., Body] = staticmethod(leaves)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()
