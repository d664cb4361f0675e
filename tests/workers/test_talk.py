"""The service's side of a child's socket: what waits there until the child reads."""

from __future__ import annotations

import asyncio

from optifire.workers import messages as say
from optifire.workers import talk as talking
from optifire.workers.talk import Talk


async def test_a_child_that_does_not_read_is_given_up_after_so_many_messages() -> None:
    broken: list[str] = []
    talk = Talk(asyncio.get_running_loop(), lambda: broken.append(talk.garbage))
    try:
        large = say.Fetched(1, content=b"x" * (1 << 20))  # more than a socket holds
        for _ in range(talking._MOST_UNSENT + 1):  # noqa: SLF001 - as many as are kept
            talk.send(large)
        assert broken == []
        talk.send(large)
        talk.send(large)
        assert broken == ["it asks on, and does not read what it is told"]
    finally:
        talk.close()


async def test_a_child_that_does_not_read_is_given_up_after_so_many_bytes() -> None:
    broken: list[str] = []
    talk = Talk(asyncio.get_running_loop(), lambda: broken.append(talk.garbage))
    try:
        for number in range(20):
            talk.send(say.Fetched(number, content=bytes(10 << 20)))
        assert broken == ["it asks on, and does not read what it is told"]
    finally:
        talk.close()
