"""The child's side of a run's socket."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ContractError
from optifire.core.types import Encoded
from optifire.workers import messages as say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optifire.core.ports import Given

#: Below what the allocator takes from the kernel each time.
_CHUNK: Final = 1 << 15


class Line:
    """The run's socket, blocking: questions are answered before the plugin goes on.

    It satisfies `optifire.core.ports.View`.

    Parameters
    ----------
    descriptor
        Of a connected stream socket. Not a socket object, which costs a forked child more.

    Attributes
    ----------
    descriptor
        The same.
    put_off
        Takes what comes between a question and its answer; None where nothing can.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.put_off: Callable[[say.ToChild], None] | None = None
        self._frames = say.Frames()
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()  # a plugin may ask from threads of its own
        self._sending = threading.Lock()
        self._names: Sequence[str] | None = None

    def receive(self) -> say.ToChild | None:
        """Give the next message, None when the service has hung up."""
        while not self._waiting:
            wanted = max(_CHUNK, min(self._frames.wanted, 1 << 24))
            data = os.read(self.descriptor, wanted)
            if not data:
                return None
            self._waiting.extend(self._frames.feed(data))
        return say.to_child.decode(self._waiting.pop(0))

    def arrived(self) -> list[say.ToChild] | None:
        """Give what has arrived, once the descriptor is readable; None when nothing more will.

        Nothing while a thread of the plugin waits for an answer: it sees what comes.
        """
        if not self._lock.acquire(blocking=False):
            return []
        try:
            data = os.read(self.descriptor, max(_CHUNK, min(self._frames.wanted, 1 << 24)))
            if not data:
                return None
            self._waiting.extend(self._frames.feed(data))
            waiting, self._waiting = self._waiting, []
        finally:
            self._lock.release()
        return [say.to_child.decode(body) for body in waiting]

    def send(self, message: say.FromChild) -> None:
        """Send one message."""
        data = memoryview(say.framed(message))
        with self._sending:
            while data:
                data = data[os.write(self.descriptor, data) :]

    def fresh(self) -> None:
        """Forget what was known of the last run's view."""
        self._names = None

    def names(self) -> Sequence[str]:
        """Give the names of all values that stood when the cycle began, sorted."""
        if self._names is None:
            self._names = self._ask(say.AskNames()).names
        return self._names

    def value(self, name: str) -> Given | None:
        """Give one value of then, or None."""
        return self._ask(say.AskValue(name)).given

    async def fetch(self, sql: str, params: Encoded, *, one: bool) -> Encoded:
        """Answer a query on the tables of then; raises `ContractError` naming the statement."""
        reply = self._ask(say.AskRows(sql, params, one))
        return Encoded(reply.rows)

    def _ask(self, question: say.Question) -> say.Reply:
        with self._lock:
            self.send(question)
            while not isinstance(reply := self.receive(), say.Reply):
                if reply is None or self.put_off is None:
                    raise ContractError("the service has hung up", where="context")
                self.put_off(reply)
            while self._waiting and self.put_off is not None:
                self.put_off(say.to_child.decode(self._waiting.pop(0)))
        if reply.error is not None:
            message, where, remedy = reply.error
            raise ContractError(message, where=where, remedy=remedy)
        return reply
