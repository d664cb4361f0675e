"""The event loop that opens nothing until it must wait."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.workers.lazyloop import LazyLoop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def loop() -> Iterator[LazyLoop]:
    made = LazyLoop()
    yield made
    made.close()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def _compute() -> int:
    async def part(number: int) -> int:
        await asyncio.sleep(0)  # noqa: TID251 - gives way, and waits for no time
        return number

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        parts = [group.create_task(part(number)) for number in range(3)]
    return sum(each.result() for each in parts)


def test_computing_opens_no_descriptor() -> None:
    before = descriptors()
    loop = LazyLoop()
    assert loop.run_until_complete(_compute()) == 3
    assert descriptors() == before
    loop.close()


def test_waiting_works_and_closing_lets_everything_go() -> None:
    before = descriptors()
    loop = LazyLoop()
    loop.run_until_complete(asyncio.wait_for(_wait_for_pipe(), 5))
    assert descriptors() > before
    loop.close()
    assert descriptors() == before


async def _wait_for_pipe() -> None:
    loop = asyncio.get_running_loop()
    reader, writer = os.pipe()
    ready = loop.create_future()
    loop.add_reader(reader, ready.set_result, None)
    loop.call_later(0.001, os.write, writer, b"x")
    await ready
    loop.remove_reader(reader)
    os.close(reader)
    os.close(writer)


def test_other_threads_wake_it_at_any_moment(loop: LazyLoop) -> None:
    async def woken() -> int:
        done = asyncio.get_running_loop().create_future()
        waker = threading.Thread(target=loop.call_soon_threadsafe, args=(done.set_result, 1))
        waker.start()
        value: int = await asyncio.wait_for(done, 5)
        waker.join()
        return value

    assert sum(loop.run_until_complete(woken()) for _ in range(300)) == 300


def test_signals_are_heard(loop: LazyLoop) -> None:
    async def heard() -> int:
        done = asyncio.get_running_loop().create_future()
        loop.add_signal_handler(signal.SIGUSR1, done.set_result, 7)
        os.kill(os.getpid(), signal.SIGUSR1)
        value: int = await asyncio.wait_for(done, 5)
        loop.remove_signal_handler(signal.SIGUSR1)
        return value

    assert loop.run_until_complete(heard()) == 7
