"""The service's side of one run's socket: nothing blocks, and what arrives is checked."""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from optifire.workers import messages as say
from optifire.workers.handing import to_send
from optifire.workers.stream import Frames, framed, received, sent
from optifire.workers.taking import from_child

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from optifire.workers.messages import FromChild
    from optifire.workers.sealed import Sealed

#: More than one answer has, as a rule; what is larger says so, and is read in larger parts.
_CHUNK: Final = 1 << 15
#: A child asks one question at a time; one that sends more than this is not ours any more.
_MOST_WAITING: Final = 16
#: Messages, and bytes, that wait until a child reads; one that asks on without reading what it is
#: told would fill the service's memory. Whoever reads has far fewer: a few answers of 10 MB.
_MOST_UNSENT: Final = 64
_MOST_UNSENT_BYTES: Final = 128 << 20


class Talk:
    """Messages to and from one child.

    Parameters
    ----------
    on_garbage
        Called when the child has sent what is no message; nothing more is read then.

    Attributes
    ----------
    far
        The child's end, to be closed here once it is sent.
    garbage
        What was wrong with what the child sent, empty while all is well.
    over
        True when nothing more can come.
    lent
        The files that were sent to the child for the run it is at, which may map them.
    deliver
        Is given each message as it arrives, and None when nothing more can come; then nobody
        asks for the `next` one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_garbage: Callable[[], None]) -> None:
        self._loop = loop
        self._on_garbage = on_garbage
        self._near, self.far = socket.socketpair()
        self._near.settimeout(0)
        self._frames = Frames()
        self._unsent: deque[tuple[memoryview, Sequence[Sealed]]] = deque()
        self._stalled = False
        self._waiting: deque[FromChild] = deque()
        self._news: asyncio.Future[None] | None = None
        self.garbage = ""
        self.over = False
        self.deliver: Callable[[FromChild | None], None] | None = None
        self.lent: dict[int, Sealed] = {}
        loop.add_reader(self._near.fileno(), self._readable)

    def send(self, message: say.ToChild) -> None:
        """Send one message, now as far as the socket takes it; its large values go as files."""
        if self.garbage or self._neglected():
            return
        message, files = to_send(message)
        if isinstance(message, say.Order):
            self.lent.clear()
        self.lent.update({id(file): file for file in files})
        self._unsent.append((memoryview(framed(message, len(files))), files))
        if len(self._unsent) == 1:
            self._flush()

    def _neglected(self) -> bool:
        """Give up a child that does not read; tell whether that is so."""
        waiting = sum(len(data) for data, _ in self._unsent)
        if len(self._unsent) <= _MOST_UNSENT and waiting <= _MOST_UNSENT_BYTES:
            return False
        self._broken("it asks on, and does not read what it is told")
        return True

    @property
    def lent_bytes(self) -> int:
        """Give the bytes of the files that the child may have mapped."""
        return sum(map(len, self.lent.values())) if self.lent else 0

    async def next(self) -> FromChild | None:
        """Give the next message of the child, None when it has said all."""
        while not self._waiting:
            if self.over:
                return None
            self._news = self._loop.create_future()
            try:
                await self._news
            finally:
                self._news = None
        return self._waiting.popleft()

    def _flush(self) -> None:
        while self._unsent:
            data, files = self._unsent[0]
            try:
                done = sent(self._near, data, [file.descriptor for file in files])
            except BlockingIOError:
                self._loop.add_writer(self._near.fileno(), self._flush)
                self._stalled = True
                return
            except (BrokenPipeError, ConnectionResetError):
                self._unsent.clear()  # the child is ending; its end is what counts
                break
            self._unsent.popleft()
            if done < len(data):  # the files went with the first byte
                self._unsent.appendleft((data[done:], ()))
        if self._stalled:
            self._stalled = False
            self._loop.remove_writer(self._near.fileno())

    def _readable(self) -> None:
        if not self._read():
            self._loop.remove_reader(self._near.fileno())

    def _read(self) -> bool:
        """Take in what has arrived; False when no more can come."""
        try:
            most = max(_CHUNK, min(self._frames.wanted, 1 << 24))
            data, files = received(self._near, most)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        except ValueError as broken:
            self._broken(str(broken))
            return False
        if not data or self.garbage:
            for descriptor in files:
                os.close(descriptor)
            return False
        try:
            self._waiting.extend(from_child(*each) for each in self._frames.feed(data, files))
        except (msgspec.DecodeError, ValueError, OSError, MemoryError) as broken:
            self._broken(str(broken) or type(broken).__name__)
        if len(self._waiting) > _MOST_WAITING:
            self._broken(f"{len(self._waiting)} messages at once")
        self._tell()
        return True

    def _broken(self, what: str) -> None:
        self.garbage = what
        self._on_garbage()

    def _tell(self) -> None:
        if self.deliver is not None:
            while self._waiting:
                self.deliver(self._waiting.popleft())
            if self.over:
                self.deliver(None)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def finish(self) -> None:
        """Hear what the child said before it ended; nothing more can come."""
        going_on = True
        while going_on:
            before = len(self._waiting), self._frames.wanted
            going_on = self._read() and (len(self._waiting), self._frames.wanted) != before
        self.over = True
        self._tell()

    def close(self) -> None:
        """Let the descriptors go."""
        self.far.close()
        self._loop.remove_reader(self._near.fileno())
        self._loop.remove_writer(self._near.fileno())
        self._near.close()
        self._frames.close()
        self._unsent.clear()
        self.lent.clear()
