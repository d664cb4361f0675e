"""The watchdog is told that all is well only while ledger and schedule really go on."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from optifire.app.progress import PATIENCE, Echo, Moves, Progress, Sign, schedule_sign
from optifire.app.watchdog import Watchdog
from optifire.core.errors import StoreError
from optifire.core.firing import Owed, Span
from optifire.core.ledger import NoteRow
from optifire.core.ports import Tick
from optifire.ops.notify import Notifier
from optifire.runtime.clock import SystemClock, wall_now
from optifire.runtime.orchestrator import Conductor, Orchestrator
from optifire.runtime.parts import Parts
from optifire.runtime.planner import Planner
from optifire.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from optifire.app.service import Service
    from optifire.runtime.engine import Engine
    from optifire.runtime.recorder import LiveRecorder

SINCE = datetime(2018, 11, 23, tzinfo=UTC)


# --- signs --------------------------------------------------------------------------------------


class Part:
    """A part that goes on when a test says so."""

    def __init__(self) -> None:
        self.sign: int | None = 0

    def __call__(self) -> int | None:
        return self.sign


def test_a_part_stands_when_its_sign_stays_the_same_for_too_long() -> None:
    part = Part()
    progress = Progress({"the part": part}, patience=15)
    for _ in range(3):
        progress.look(5)
        assert progress.stuck == []
    progress.look(5)
    assert progress.stuck == ["the part has shown no progress for 15 s"]
    part.sign = 1
    progress.look(5)
    assert progress.stuck == []


def test_a_part_at_rest_owes_no_sign_and_begins_anew_afterwards() -> None:
    part = Part()
    progress = Progress({"the part": part}, patience=15)
    progress.look(5)
    part.sign = None
    for _ in range(10):
        progress.look(5)
    part.sign = 0
    for _ in range(3):
        progress.look(5)
        assert progress.stuck == []


def test_one_part_that_stands_is_named_among_those_that_go_on() -> None:
    stands, goes = Part(), Part()
    progress = Progress({"one": stands, "two": goes}, patience=10)
    for number in range(4):
        goes.sign = number
        progress.look(5)
    assert [sentence.split(" ")[0] for sentence in progress.stuck] == ["one"]


def test_the_patience_is_that_of_several_heartbeats() -> None:
    assert PATIENCE == 15


# --- the schedule's loop ------------------------------------------------------------------------


class ByHand:
    """A timer that rings when a test does."""

    def __init__(self) -> None:
        self.ring: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return SINCE

    def start(self, ring: Callable[[], None]) -> None:
        self.ring = ring

    def arm(self, instant: datetime | None) -> None:
        """Nothing is armed: the test rings."""

    def stop(self) -> None:
        """Nothing to end."""

    async def pause(self, seconds: float) -> None:
        raise AssertionError(seconds)


class Scene:
    """All that the loop asks of its owner; what it writes down hangs while `hangs` is set."""

    def __init__(self) -> None:
        self.timer = ByHand()
        self.clock = SystemClock(self.timer)
        self.rooms = self
        self.trouble: StoreError | None = None
        self.hangs = asyncio.Event()
        self.loop = Orchestrator(cast("Conductor", self), in_step=False)

    @property
    def place(self) -> object:
        return self.loop.place

    @property
    def stage(self) -> str:
        return self.loop.place.stage.value

    def parts(self) -> Parts:
        return cast("Parts", self)

    def planner(self) -> Planner:
        return cast("Planner", self)

    def next_instant(self, *, observing: bool) -> None:
        """Give nothing: only the heartbeat rings."""

    def owed(self, _: Tick) -> Owed:
        return Owed(spans=cast("list[Span]", []))

    def passed(self, tick: Tick) -> Sequence[NoteRow]:
        return [NoteRow(tick.now, "warning", "x", "y")]

    def spawn(self, _: str, __: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        async def hang() -> None:
            await self.hangs.wait()

        return asyncio.ensure_future(hang())

    def sign(self) -> Hashable:
        return schedule_sign(cast("Engine", self), cast("LiveRecorder", self))


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)  # noqa: TID251 - lets the loop go on, and no time pass


async def test_the_schedule_gives_a_sign_with_each_heartbeat_and_none_without() -> None:
    scene = Scene()
    running = asyncio.create_task(scene.loop.run())
    await turns()
    first = scene.sign()
    await turns()
    assert scene.sign() == first
    scene.timer.ring()
    await turns()
    assert scene.sign() != first
    scene.loop.stop()
    await running
    assert scene.stage == "over"
    assert scene.sign() is None


async def test_a_schedule_that_hangs_on_the_ledger_stands_but_not_while_that_says_why() -> None:
    scene = Scene()
    running = asyncio.create_task(scene.loop.run())
    await turns()
    scene.clock.wake()
    await turns()
    assert scene.stage == "record"
    first = scene.sign()
    scene.timer.ring()
    await turns()
    assert first is not None
    assert scene.sign() == first
    scene.trouble = StoreError("the disk is full")
    assert scene.sign() is None
    scene.hangs.set()
    await turns()
    assert scene.stage == "clock"
    scene.loop.stop()
    await running


# --- all of it, to a real socket ----------------------------------------------------------------


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "ledger.db", clock=wall_now)
    await store.open()
    yield store
    await store.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Give the value of NOTIFY_SOCKET and the socket behind it."""
    named = str(tmp_path / "n") if request.param == "path" else f"@optifire-test-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(named.replace("@", "\0", 1))
        sock.settimeout(0)
        yield named, sock


class Looked(Progress):
    """Progress of which a test can await the next look."""

    def __init__(self, signs: dict[str, Sign], patience: float) -> None:
        super().__init__(signs, patience)
        self._bell = asyncio.Event()

    def look(self, seconds: float) -> None:
        super().look(seconds)
        self._bell.set()

    async def next_look(self) -> None:
        self._bell.clear()
        async with asyncio.timeout(20):
            await self._bell.wait()


class Stub:
    """What the watchdog asks of a service."""

    state = "running"

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.moves = Moves()

    def headline(self) -> str:
        return "well"


class Watched:
    """A watchdog that keeps looking, and what has arrived at its socket."""

    def __init__(self, named: str, sock: socket.socket, signs: dict[str, Sign]) -> None:
        environ = {"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "30000"}
        self.progress = Looked(signs, patience=0.2)
        self.service = Stub(self.progress)
        notifier = Notifier(environ, 4711)
        self.watchdog = Watchdog(cast("Service", self.service), notifier)
        self._sock = sock

    async def next(self) -> str:
        async with asyncio.timeout(20):
            message = await asyncio.get_running_loop().sock_recv(self._sock, 4096)
        return message.decode()

    async def until(self, said: str) -> None:
        while await self.next() != said:
            pass

    async def until_silent(self) -> None:
        """Wait until the parts have been found to stand, and take away what came before."""
        while not self.service.progress.stuck:
            await self.progress.next_look()
        while True:
            try:
                self._sock.recv(4096)
            except BlockingIOError:
                return

    def is_silent(self) -> bool:
        try:
            self._sock.recv(4096)
        except BlockingIOError:
            return True
        return False


async def test_a_writer_of_the_ledger_that_stands_ends_the_pings_until_it_goes_on(
    store: SqliteStore, listener: tuple[str, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(*listener, {"the writer of the ledger": Echo(store.ping)})
    keeping = asyncio.create_task(watched.watchdog.keep())
    assert await watched.next() == "READY=1\nSTATUS=well"
    await watched.until("WATCHDOG=1")
    release = threading.Event()
    blocked = store._open_writer().ask(lambda: release.wait(60))  # noqa: SLF001 - a stuck part
    await watched.until_silent()
    for _ in range(5):
        await watched.progress.next_look()
    assert watched.is_silent()
    assert "the writer of the ledger has shown no progress" in caplog.text
    release.set()
    await blocked
    await watched.until("WATCHDOG=1")
    assert "go on again" in caplog.text
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_schedule_whose_timer_is_dead_ends_the_pings(
    listener: tuple[str, socket.socket],
) -> None:
    scene = Scene()
    running = asyncio.create_task(scene.loop.run())
    watched = Watched(*listener, {"the schedule": scene.sign})
    keeping = asyncio.create_task(watched.watchdog.keep())
    await watched.until("WATCHDOG=1")
    await watched.until_silent()
    assert watched.service.progress.stuck[0].startswith("the schedule has shown no progress")
    scene.timer.ring()
    await watched.until("WATCHDOG=1")
    keeping.cancel()
    scene.loop.stop()
    await asyncio.wait([keeping, running])


async def test_moves_of_the_service_are_told_at_once(listener: tuple[str, socket.socket]) -> None:
    watched = Watched(*listener, {})
    keeping = asyncio.create_task(watched.watchdog.keep())
    await watched.until("WATCHDOG=1")
    enter = watched.service.moves.tell
    enter("reloading")
    while not (said := await watched.next()).startswith("RELOADING=1\nMONOTONIC_USEC="):
        assert said == "WATCHDOG=1"
    assert said.rpartition("=")[2].isdecimal()
    enter("running")
    await watched.until("READY=1\nSTATUS=well")
    enter("stopping")
    await watched.until("STOPPING=1\nSTATUS=draining: runs in progress have ten seconds to end")
    keeping.cancel()
    await asyncio.wait([keeping])
    assert watched.service.moves.watchers == []
