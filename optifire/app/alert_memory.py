"""What alerts still have to tell, kept in the ledger so that a restart forgets nothing of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch
from optifire.ops.delivery import Backlog
from optifire.ops.repeats import Cause, Told

log = logging.getLogger("optifire.alerts")

#: Under which name the ledger keeps it.
ALERTS: Final = "alerts"


@dataclass(frozen=True, slots=True)
class Memory:
    """All of it at one moment.

    Attributes
    ----------
    causes
        What was told and is not over, and what is counted of it.
    held, dropped
        What quiet hours hold, and how many older ones were let go.
    unsent
        What is on its way, by target.
    """

    causes: Mapping[str, Cause] = field(default_factory=dict)
    held: Sequence[Told] = ()
    dropped: int = 0
    unsent: Mapping[str, Backlog] = field(default_factory=dict)

    def say_what_is_left(self) -> None:
        """Log how much is not sent when a service ends."""
        for name, backlog in self.unsent.items():
            number = len(backlog.messages) + backlog.dropped
            log.warning("not sent to %s before the end: %d alerts", name, number)
        if held := len(self.held) + self.dropped:
            log.warning("held by quiet hours at the end: %d alerts", held)


class Keeping:
    """Writes it down whenever it has changed.

    Parameters
    ----------
    write
        Writes a batch, once.
    """

    def __init__(self, write: Callable[[Batch], Awaitable[object]]) -> None:
        self._write = write
        self._kept = _text(Memory())
        self._refused = False

    def recall(self, kept: str) -> Memory:
        """Give what the ledger has; a text that is none is said, and begins anew."""
        try:
            found = msgspec.json.decode(kept, type=Memory)
        except msgspec.MsgspecError as error:
            log.warning("what alerts of an earlier start had to tell cannot be read: %s", error)
            return Memory()
        self._kept = kept
        return found

    async def keep(self, memory: Memory) -> None:
        """Write it down if it is not what the ledger has; a refusal is for the next look."""
        text = _text(memory)
        if text == self._kept:
            return
        try:
            await self._write(Batch(meta={ALERTS: text}))
        except StoreError as error:
            if not self._refused:
                log.warning("what alerts have to tell would not outlive a restart now: %s", error)
            self._refused = True
        else:
            self._kept, self._refused = text, False


def _text(memory: Memory) -> str:
    return msgspec.json.encode(memory).decode()
