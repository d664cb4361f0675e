"""The child's side of a run's socket."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from optifire.core.errors import ContractError
from optifire.core.limits import HANDED_BYTES
from optifire.core.ports import Outcome
from optifire.core.run import Failure, Reason, RunStatus
from optifire.core.types import Encoded
from optifire.workers import messages as say
from optifire.workers.attempt import too_much
from optifire.workers.handing import to_send
from optifire.workers.stream import Frames, framed, received, sent
from optifire.workers.taking import from_service

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
        Of a connected stream socket; it stays open until the process ends.

    Attributes
    ----------
    descriptor
        The same.
    lent
        Whether any files came for the run in progress.
    put_off
        Takes what comes between a question and its answer; None where nothing can.
    most
        Bytes that one message may have.
    """

    most = HANDED_BYTES

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lent = False
        self.put_off: Callable[[say.ToChild], None] | None = None
        # Made before a plugin can change what every new socket is like (socket.setdefaulttimeout).
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
        self._frames = Frames()
        self._waiting: list[tuple[bytes, Sequence[int]]] = []
        self._lock = threading.Lock()  # a plugin may ask from threads of its own
        self._sending = threading.Lock()
        self._names: Sequence[str] | None = None

    def receive(self) -> say.ToChild | None:
        """Give the next message, None when the service has hung up."""
        while not self._waiting:
            if not self._read():
                return None
        return from_service(*self._waiting.pop(0))

    def arrived(self) -> list[say.ToChild] | None:
        """Give what has arrived, once the descriptor is readable; None when nothing more will.

        Nothing while a thread of the plugin waits for an answer: it sees what comes.
        """
        if not self._lock.acquire(blocking=False):
            return []
        try:
            if not self._read():
                return None
            waiting, self._waiting = self._waiting, []
        finally:
            self._lock.release()
        return [from_service(*each) for each in waiting]

    def _read(self) -> bool:
        """Take in what has come; False when nothing more will."""
        data, files = received(self._socket, max(_CHUNK, min(self._frames.wanted, 1 << 24)))
        self.lent = self.lent or bool(files)
        self._waiting.extend(self._frames.feed(data, files))
        return bool(data)

    def send(self, message: say.FromChild) -> None:
        """Send one message; its large values go as files.

        Raises `ContractError` when the rest is more than the service would take.
        """
        message, files = to_send(message)
        data = memoryview(framed(message, len(files)))
        if len(data) > self.most:
            raise too_much(len(data), "context")
        descriptors = [file.descriptor for file in files]
        with self._sending:
            while data:
                data, descriptors = data[sent(self._socket, data, descriptors) :], []

    def send_done(self, done: say.Done) -> None:
        """Send how an attempt ended; one that hands over too much has failed."""
        try:
            self.send(done)
        except ContractError as error:
            reason, failure = Reason("contract", str(error)), Failure("ContractError", str(error))
            outcome = Outcome(RunStatus.FAILED, reason, failure=failure)
            self.send(msgspec.structs.replace(done, outcome=outcome))

    def detach(self) -> None:
        """Leave the descriptor to its owner."""
        self._socket.detach()

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
                self.put_off(from_service(*self._waiting.pop(0)))
        if reply.error is not None:
            message, where, remedy = reply.error
            raise ContractError(message, where=where, remedy=remedy)
        return reply
