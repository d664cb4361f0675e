"""A zygote that stands still goes, however young; one that has much to do stays, however late."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from optifire.core.run import RunStatus
from optifire.runtime.clock import real_pause
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.vigil import AGAIN, HOPELESS, Pulse, Vigil, pulse_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.conftest import Ask

ZYGOTE, CHILD = 10, 11


@dataclass
class Moment:
    """What is seen at one look: of the zygote, of the child, and how many messages have come."""

    state: str = "S"
    cpu: float = 1.0
    child: str = "Z"
    heard: int = 5


@dataclass
class Machine:
    """A loop and its processes as a test says they go, one moment each second."""

    moments: Sequence[Moment]
    at: int = 0
    killed: bool = False
    waiting: list[Callable[[], object]] = field(default_factory=list)

    def time(self) -> float:
        return self.at * AGAIN

    def call_later(self, seconds: float, call: Any, *given: object) -> None:
        assert seconds == AGAIN
        self.waiting.append(lambda: call(*given))

    @property
    def now(self) -> Moment:
        return self.moments[min(self.at, len(self.moments) - 1)]

    def pulse(self, pid: int) -> Pulse:
        now = self.now
        return Pulse(now.state, now.cpu) if pid == ZYGOTE else Pulse(now.child, 0.0)

    def kill(self) -> None:
        self.killed = True


@dataclass
class Child:
    """A killed child of which the zygote has told nothing."""

    pid: int = CHILD
    ended: asyncio.Future[None] = field(default_factory=asyncio.Future)


def seconds_until_killed(
    moments: Sequence[Moment], most: int, child: Child, ends: int = 1 << 30
) -> int | None:
    """Give after how many seconds of a vigil the zygote was killed, None if it was not."""
    machine = Machine(moments)
    loop = cast("asyncio.AbstractEventLoop", machine)
    vigil = Vigil(ZYGOTE, lambda: machine.now.heard, machine.kill, loop, machine.pulse)
    vigil.begin(cast("Any", child))
    while machine.waiting and machine.at < most:
        machine.at += 1
        if machine.at == ends:
            child.ended.set_result(None)
        machine.waiting.pop()()
        if machine.killed:
            return machine.at
    return None


BUSY = [Moment(cpu=1 + n / 1000) for n in range(200)]


@pytest.mark.parametrize(
    ("moments", "after"),
    [
        ([Moment()], 1),
        ([Moment("T")], 1),
        ([Moment(), Moment("S", 1.5), Moment("S", 1.5)], 2),
        ([Moment("R")] * 5 + [Moment("S")], 5),
        ([Moment("D")] * 5 + [Moment("S")], 5),
        ([Moment(child="R")] * 20 + [Moment()], 20),
        ([Moment(heard=n) for n in range(20)], 20),
        (BUSY, HOPELESS),
        ([*BUSY[:50], Moment("R", heard=6), *(Moment("R", heard=6),) * 100], 50 + HOPELESS),
    ],
    ids=[
        "asleep", "stopped", "asleep after work", "waits for a processor", "waits for the kernel",
        "child not dead yet", "tells of others", "busy for ever", "busy for ever since it spoke",
    ],
)  # fmt: skip
async def test_one_is_killed_once_it_stands_still(moments: list[Moment], after: float) -> None:
    assert seconds_until_killed(moments, 300, Child()) == after


async def test_one_that_has_told_the_end_or_is_gone_is_left_alone() -> None:
    assert seconds_until_killed([Moment("R")] * 10 + [Moment()], 300, Child(), ends=5) is None


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [("while True: pass", True), ("input()", False)],
)
def test_the_kernel_tells_work_from_waiting(text: str, *, goes_on: bool) -> None:
    command = [sys.executable, "-c", f"print(flush=True); {text}"]
    if "while" in text:
        command[2] = f"print(flush=True)\n{text}"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = [pulse_of(process.pid)]
        while (seen[-1].state == "R") is not goes_on:
            seen.append(pulse_of(process.pid))
        process.send_signal(signal.SIGSTOP)
        while pulse_of(process.pid).state != "T":
            pass
        assert pulse_of(process.pid).cpu == pulse_of(process.pid).cpu > 0
        process.kill()
        while pulse_of(process.pid).state != "Z":
            pass
    assert pulse_of(process.pid) == Pulse("", 0.0)


@pytest.mark.long  # six seconds of standing still
async def test_a_zygote_that_stands_still_is_replaced(tmp_path: Path, ask: Ask) -> None:
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data"))
    await worker.start()
    (zygote,) = worker.zygote_pids()
    told = tmp_path / "told"
    config = {"where": str(told), "go": str(tmp_path / "go")}
    try:
        run = asyncio.ensure_future(worker.run(ask("tell_and_wait", config=config, timeout=0.5)))
        while not told.exists():
            await real_pause(0.01)
        link = worker.zygotes.any()
        assert link is not None
        for live in link.lives.values():
            live.on_waiting = lambda: None  # nobody tells it to go on
        os.kill(zygote, signal.SIGSTOP)
        outcome = await run
        assert outcome.reason is not None
        assert outcome.status is RunStatus.TIMED_OUT
        assert (await worker.run(ask("count"))).status is RunStatus.SUCCEEDED
        assert worker.zygote_pids() != [zygote]
    finally:
        await worker.stop()
    assert pulse_of(zygote).state == ""
