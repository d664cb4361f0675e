"""A step that keeps the loop waiting is seen with plugin and line, even in a call of C code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio

from optifire.core.run import RunStatus
from optifire.workers.guarding import LIMIT_NS, PERIOD_MS, STACK_SIGNAL, Guarding, now_ns
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.loopguard import STACKS, Block, LoopGuard, plugin_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLUGIN = Path(__file__).parent / "plugins" / "stepping" / "impl.py"


def line_of(text: str) -> str:
    """Give the place of the first line of the plugin that has this text."""
    lines = PLUGIN.read_text("utf-8").splitlines()
    return f"{PLUGIN}:{next(n for n, line in enumerate(lines, 1) if text in line)}"


@pytest.fixture
def blocks() -> list[Block]:
    return []


@pytest.fixture
def guard(blocks: list[Block], tmp_path: Path) -> Iterator[LoopGuard]:
    made = LoopGuard(blocks.append)
    made.open(tmp_path)
    yield made
    made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zygotes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[IsolatedWorker]:
    home = tmp_path_factory.mktemp("home")
    worker = IsolatedWorker(WorkerSettings(home, home / "data"))
    await worker.start()
    yield worker
    await worker.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def inline(
    guard: LoopGuard, zygotes: IsolatedWorker, tmp_path: Path, ask: Ask
) -> AsyncIterator[InlineWorker]:
    """Give an inline worker whose loop is watched from now on."""
    worker = InlineWorker(tmp_path, guard)
    await worker.run(ask("nothing", "stepping"))
    zygotes.watch(guard.shared)
    # The zygote takes one message after the other: what it answers now, it answers watching.
    described = await zygotes.describe(str(PLUGIN.parent))
    assert described.plugin_id == "stepping"
    yield worker
    zygotes.watch(None)


@pytest.mark.parametrize("do", ["hold", "hold_in_task"])
async def test_a_call_that_holds_the_interpreter_is_seen_with_its_line(
    inline: InlineWorker, blocks: list[Block], ask: Ask, do: str
) -> None:
    await inline.run(ask(do, "stepping"))
    assert [block.plugin_id for block in blocks] == ["stepping"]
    assert blocks[0].place in {
        line_of("CATASTROPHE.match("),
        line_of("took = time.monotonic()"),
        line_of("began = time.monotonic()"),
    }
    assert blocks[0].seconds >= 0.3


async def test_every_block_is_told_once_and_for_itself(
    inline: InlineWorker, blocks: list[Block], ask: Ask
) -> None:
    await inline.run(ask("sleep_twice", "stepping"))
    first, second = blocks
    lines = PLUGIN.read_text("utf-8").splitlines()
    asleep = [n for n, line in enumerate(lines, 1) if "time.sleep(0.15)" in line]
    assert [first.place, second.place] == [f"{PLUGIN}:{n}" for n in asleep]
    assert str(first).startswith("blocked the event loop for ")


async def test_the_loop_is_watched_again_after_the_zygote_has_died(
    inline: InlineWorker, zygotes: IsolatedWorker, blocks: list[Block], ask: Ask
) -> None:
    (pid,) = zygotes.zygote_pids()
    os.kill(pid, signal.SIGKILL)
    while pid in zygotes.zygote_pids():
        await zygotes.run(ask("descriptors", "stepping"))
    outcome = await zygotes.run(ask("descriptors", "stepping"))
    assert outcome.status is RunStatus.SUCCEEDED
    await inline.run(ask("hold", "stepping"))
    assert [Path(block.place.rpartition(":")[0]) for block in blocks] == [PLUGIN]


async def test_steps_below_the_limit_are_nobodys_business(
    inline: InlineWorker, blocks: list[Block], ask: Ask
) -> None:
    outcome = await inline.run(ask("nothing", "stepping"))
    assert outcome.status is RunStatus.SUCCEEDED
    assert blocks == []


async def test_nothing_of_the_guard_reaches_a_child(
    inline: InlineWorker, zygotes: IsolatedWorker, ask: Ask
) -> None:
    outcome = await zygotes.run(ask("descriptors", "stepping"))
    found = {name: msgspec.msgpack.decode(value) for name, value in outcome.outputs.items()}
    assert [file for file in found["files"] if STACKS in file or "optifire-" in file] == []
    assert found["maps"] == []
    assert (found["caught"] | found["ignored"]) & 1 << (STACK_SIGNAL - 1) == 0


async def test_a_late_signal_does_no_harm(guard: LoopGuard) -> None:
    guard.close()
    os.kill(os.getpid(), STACK_SIGNAL)
    assert signal.getsignal(STACK_SIGNAL) is not signal.SIG_DFL


async def test_where_a_service_stood_that_never_came_back_is_said_at_the_next_start(
    guard: LoopGuard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.kill(os.getpid(), STACK_SIGNAL)
    guard.close()
    with caplog.at_level(logging.WARNING):
        guard.open(tmp_path)
    assert "before this one was blocked" in caplog.text
    assert Path(__file__).name in caplog.text
    assert (tmp_path / STACKS).read_bytes() == b""


async def test_off_the_main_thread_a_block_is_told_without_its_line(
    blocks: list[Block], tmp_path: Path, ask: Ask
) -> None:
    guard = LoopGuard(blocks.append)
    thread = threading.Thread(target=guard.open, args=(tmp_path,))
    thread.start()
    thread.join()
    assert guard.shared is None
    await InlineWorker(tmp_path, guard).run(ask("sleep_twice", "stepping"))
    assert [block.place for block in blocks] == ["", ""]
    guard.close()


# --- the zygote's side ------------------------------------------------------------------------


@pytest.fixture
def signals() -> Iterator[list[int]]:
    got: list[int] = []
    before = signal.signal(STACK_SIGNAL, lambda number, _: got.append(number))
    yield got
    signal.signal(STACK_SIGNAL, before)


@pytest.fixture
def word(tmp_path: Path) -> Iterator[int]:
    descriptor = os.memfd_create("word")
    os.ftruncate(descriptor, 8)
    yield descriptor
    os.close(descriptor)


def write(word: int, value: int) -> None:
    os.pwrite(word, value.to_bytes(8, sys.byteorder), 0)


async def test_one_signal_for_one_block(word: int, signals: list[int]) -> None:
    guarding = Guarding(word, os.getpid())
    began = now_ns() - LIMIT_NS - 1
    for start in (began, began, began + 1):
        write(word, start)
        assert guarding.look() == PERIOD_MS
    guarding.close()
    assert signals == [STACK_SIGNAL, STACK_SIGNAL]


async def test_a_step_under_way_is_looked_at_the_moment_it_is_too_long(
    word: int, signals: list[int]
) -> None:
    guarding = Guarding(word, os.getpid())
    assert guarding.look() == PERIOD_MS
    write(word, now_ns() - LIMIT_NS + 20_000_000)
    assert guarding.look() <= 20
    write(word, now_ns())
    assert guarding.look() == PERIOD_MS
    guarding.close()
    assert signals == []


# --- stacks -----------------------------------------------------------------------------------

STACK = """Stack (most recent call first):
  File "/usr/lib/python3.11/re.py", line 10 in match
  File "/home/\\xe9/plugins/x/logic.py", line 12 in inner
  File "/home/\\xe9/plugins/x/impl.py", line 34 in run
  File "/opt/optifire/workers/steps.py", line 56 in step
"""


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("/home/é/plugins/x", "/home/\\xe9/plugins/x/logic.py:12"),
        ("/home/é/plugins/y", ""),
        ("/home/é/plugins/x/l", ""),
    ],
)
async def test_the_line_is_the_plugins_innermost(folder: str, place: str) -> None:
    assert plugin_line(STACK, folder) == place


async def test_only_the_last_stack_counts() -> None:
    assert plugin_line(STACK + "Stack (most recent call first):\n", "/home/é/plugins/x") == ""
    assert plugin_line("", "/home/x") == ""
