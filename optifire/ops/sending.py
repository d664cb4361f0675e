"""Sends a message by a child process that imports apprise, and ends it when it takes too long.

The service stays without apprise and all that comes with it, a target that hangs holds a process
that can be killed instead of a thread that cannot, and the address travels through a pipe: it is in
no argument, no environment and no log.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from optifire.ops.messages import Message

#: Seconds that one message may take, the import on a slow machine included.
TIMEOUT: Final = 30.0
MODULE: Final = "optifire.ops.apprise_child"
NOT_SET: Final = "its variable is not set, neither in the environment nor in configs/secrets.env"
NOT_INSTALLED: Final = "the package apprise is not installed (pip install 'optifire[alerts]')"


def lacking(address: str) -> str:
    """Give why nothing can be sent there, as far as can be told without trying; "" for nothing."""
    if not address:
        return NOT_SET
    return "" if find_spec("apprise") is not None else NOT_INSTALLED


async def send(address: str, message: Message, seconds: float = TIMEOUT) -> str:
    """Send one message; gives "" when it was taken, else why not, never with the address."""
    if reason := lacking(address):
        return reason
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return f"no process could be started: {error.strerror}"
    request = {"address": address, "title": message.title, "body": message.body}
    try:
        async with asyncio.timeout(seconds):
            said, _ = await child.communicate(
                json.dumps({**request, "kind": message.kind}).encode()
            )
    except TimeoutError:
        return f"it has not taken the message within {seconds:g} s"
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return reason_of(child.returncode, said)


def reason_of(code: int | None, said: bytes) -> str:
    """Give what a child has said; it is one of a few fixed sentences, of which none is secret."""
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if code != 0 or not isinstance(answer, dict) or not isinstance(answer.get("reason"), str):
        return f"the process that sends ended with exit code {code}"
    reason: str = answer["reason"]
    return reason
