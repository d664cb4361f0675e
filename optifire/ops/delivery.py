"""Brings messages to one target: a bounded queue, one try at a time, and longer and longer pauses.

Nobody waits for it. What piles up while a target does not take anything is sent as one message
when it does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from optifire.ops.messages import KINDS, Message, gravest

log = logging.getLogger("optifire.alerts")

#: Messages that wait for one target, at most; the oldest go, and are counted.
MOST_WAITING: Final = 50
#: So many at once are sent one by one; more become one message.
FEW: Final = 3
#: Tries of one message, over two hours: a target that takes it and does not say so, or only some of
#: its readers, is told no more often than that.
MOST_TRIES: Final = 20
#: Seconds after a first failure, and at most; each pause is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0

#: Sends one message to an address; gives "" when it was taken, else why not. It never hangs.
Send = Callable[[str, Message], Awaitable[str]]
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a target takes nothing, and how often it was tried."""

    reason: str
    tries: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a target has not taken yet, the oldest first, and how many older ones were let go."""

    messages: tuple[Message, ...] = ()
    dropped: int = 0


NOTHING: Final = Backlog()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A message and how often it was tried."""

    message: Message
    tries: int = 0


class Delivery:
    """Everything that is on its way to one target.

    Parameters
    ----------
    name
        What the target is called in logs and health: its variable, never its address.
    address
        Gives its address as it is now.
    """

    def __init__(self, name: str, address: Callable[[], str], send: Send, pause: Pause) -> None:
        self.name = name
        self.trouble: Trouble | None = None
        self._address = address
        self._send = send
        self._pause = pause
        self._waiting: deque[_Waiting] = deque()
        self._dropped = 0
        self._bell = asyncio.Event()

    def put(self, message: Message) -> None:
        """Add a message to what waits."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(_Waiting(message))
        self._bell.set()

    def backlog(self) -> Backlog:
        """Give what it was given and has not brought."""
        return Backlog(tuple(each.message for each in self._waiting), self._dropped)

    def take_up(self, backlog: Backlog) -> None:
        """Bring what was left of an earlier start, as if it were new."""
        self._dropped += backlog.dropped
        for message in backlog.messages:
            self.put(message)

    async def run(self) -> None:
        """Send whatever is put, until this is cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                await self._deliver()

    async def _deliver(self) -> None:
        """Try once to send what waits; what comes meanwhile waits for the next turn."""
        one_by_one = self.trouble is None and not self._dropped and len(self._waiting) <= FEW
        batch = [self._waiting[0]] if one_by_one else list(self._waiting)
        dropped = self._dropped
        message = joined([each.message for each in batch], dropped)
        reason = await self._send(self._address(), message)
        if reason:
            self._failed(reason, batch)
            await self._pause(self._until_next())
            return
        self._remove(batch)
        # What was dropped meanwhile was the oldest, which has just been sent.
        self._dropped = max(0, self._dropped - dropped - len(batch))
        self.trouble = None
        log.info("%s took: %s", self.name, message.title)

    def _failed(self, reason: str, batch: list[_Waiting]) -> None:
        """Note a failure; what was tried often enough is let go and counted."""
        before = self.trouble
        if before is None or before.reason != reason:
            log.warning("no alert reaches %s: %s", self.name, reason)
        self.trouble = Trouble(reason, 1 if before is None else before.tries + 1)
        for each in batch:
            each.tries += 1
        spent = [each for each in self._waiting if each.tries >= MOST_TRIES]
        self._remove(spent)
        self._dropped += len(spent)

    def _remove(self, gone: list[_Waiting]) -> None:
        self._waiting = deque(each for each in self._waiting if each not in gone)

    def _until_next(self) -> float:
        tries = 1 if self.trouble is None else self.trouble.tries
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 10))


def joined(waiting: list[Message], dropped: int) -> Message:
    """Give one message for all that wait, the oldest first."""
    if len(waiting) == 1 and not dropped:
        return waiting[0]
    shown = gravest(waiting, lambda message: message.kind)
    hidden = len(waiting) - len(shown) + dropped
    lines = [message.title for message in shown]
    lines += [f"{hidden} more are in data/optifire.log"] if hidden else []
    lines.append("They waited until they could be sent; see `optifire health` and `optifire runs`")
    worst = min((message.kind for message in waiting), key=KINDS.index)
    return Message(f"OptiFIRE: {len(waiting) + dropped} alerts", "\n".join(lines), worst)
