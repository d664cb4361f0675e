"""The service's side of one child: its socket, its log, its life and its end."""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from optifire.workers import messages as say
from optifire.workers.printed import drain, log_pipe

if TYPE_CHECKING:
    import asyncio

    from optifire.workers.messages import FromChild

#: Seconds between TERM and KILL.
GRACE: Final = 0.2
#: Seconds after KILL in which a zygote has to report the end, else it is stuck itself.
STUCK: Final = 5.0
_CHUNK: Final = 1 << 18
#: A child asks one question at a time; one that sends more than this is not ours any more.
_MOST_WAITING: Final = 16


class Live:
    """One child as the service sees it: messages come in, an end comes, nothing blocks.

    Attributes
    ----------
    number
        By which the zygote knows it.
    far, log_writer
        The child's ends of run socket and log pipe, closed here once they are sent.
    ended
        Done when the process is gone and reaped, or was never there.
    why_lost
        Why there is no exit status: the zygote died or could not fork.
    garbage
        What was wrong with what the child sent, empty while all is well.
    overdue
        True when it was stopped because its time was up.
    """

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        self._loop = loop
        self.log_reader, self.log_writer = log_pipe()
        try:
            self._near, self.far = socket.socketpair()
        except OSError:
            os.close(self.log_reader)
            os.close(self.log_writer)
            raise
        self._near.settimeout(0)
        self.pid = 0
        self._pidfd: int | None = None
        self._frames = say.Frames()
        self._unsent: deque[memoryview] = deque()
        self._waiting: deque[FromChild] = deque()
        self._news: asyncio.Future[None] | None = None
        self.ended: asyncio.Future[say.Ended | None] = loop.create_future()
        self.why_lost = ""
        self.garbage = ""
        self.overdue = False
        self._stopping: signal.Signals | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self.on_stuck = self._give_up
        loop.add_reader(self._near.fileno(), self._readable)

    # --- talking ----------------------------------------------------------------------------

    def send(self, message: say.ToChild) -> None:
        """Send one message, now as far as the socket takes it."""
        self._unsent.append(memoryview(say.framed(message)))
        if len(self._unsent) == 1:
            self._flush()

    async def next(self) -> FromChild | None:
        """Give the next message of the child, None when it has ended and said all."""
        while not self._waiting:
            if self.ended.done():
                return None
            self._news = self._loop.create_future()
            try:
                await self._news
            finally:
                self._news = None
        return self._waiting.popleft()

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = self._near.send(self._unsent[0])
            except BlockingIOError:
                self._loop.add_writer(self._near.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                self._unsent.clear()  # the child is ending; its end is what counts
                break
            if sent == len(self._unsent[0]):
                self._unsent.popleft()
            else:
                self._unsent[0] = self._unsent[0][sent:]
        self._loop.remove_writer(self._near.fileno())

    def _readable(self) -> None:
        if not self._read():
            self._loop.remove_reader(self._near.fileno())

    def _read(self) -> bool:
        """Take in what has arrived; False when no more can come."""
        try:
            data = self._near.recv(max(_CHUNK, min(self._frames.wanted, 1 << 24)))
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        if not data or self.garbage:
            return False
        try:
            self._waiting.extend(say.from_child.decode(body) for body in self._frames.feed(data))
        except (msgspec.DecodeError, ValueError) as broken:
            self._broken(str(broken))
        if len(self._waiting) > _MOST_WAITING:
            self._broken(f"{len(self._waiting)} messages at once")
        self._tell()
        return True

    def _broken(self, what: str) -> None:
        self.garbage = what
        self.stop(signal.SIGKILL)

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # --- life and end -----------------------------------------------------------------------

    def sent(self) -> None:
        """Close the child's ends, which travel or have travelled."""
        self.far.close()
        if self.log_writer >= 0:
            os.close(self.log_writer)
            self.log_writer = -1

    def forked(self, pid: int, pidfd: int) -> None:
        """Take note of the process; a stop that was asked for meanwhile happens now."""
        self.pid, self._pidfd = pid, pidfd
        if self._stopping is not None:
            self._signal(self._stopping)

    def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End the child: TERM, then KILL after 200 ms; or KILL at once."""
        if self.ended.done() or self._stopping is signal.SIGKILL or self._stopping is first:
            return
        self._stopping = first
        self._signal(first)
        later, action = (GRACE, self._kill) if first is signal.SIGTERM else (STUCK, self._stuck)
        self._timers.append(self._loop.call_later(later, action))

    def _kill(self) -> None:
        self.stop(signal.SIGKILL)

    def _stuck(self) -> None:
        if not self.ended.done():
            self.on_stuck()

    def _give_up(self) -> None:
        self.lost("it did not end when it was killed")

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def stop_after(self, seconds: float) -> None:
        """Stop the child that many seconds from now, as overdue, if it has not ended by then."""
        self._timers.append(self._loop.call_later(seconds, self._late))

    def answered(self) -> None:
        """Take note that the child has nothing left to do: it has 200 ms to end by itself."""
        self.disarm()
        self._timers.append(self._loop.call_later(GRACE, self._kill))

    def disarm(self) -> None:
        """Forget every stop that has not happened yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _late(self) -> None:
        if not self.ended.done():
            self.overdue = True
            self.stop()

    def finish(self, ended: say.Ended | None) -> None:
        """Take note of the end; what the child said before it is still heard."""
        if self.ended.done():
            return
        waiting = True
        while waiting:
            before = len(self._waiting), self._frames.wanted
            waiting = self._read() and (len(self._waiting), self._frames.wanted) != before
        self.ended.set_result(ended)
        self._tell()

    def lost(self, why: str) -> None:
        """End without an exit status: the zygote is gone, or there never was a child."""
        if self.ended.done():
            return
        self.why_lost = self.why_lost or why
        if self._pidfd is None:
            self.finish(None)
            return
        # The group's number is the leader's; it cannot be another's while the leader lives.
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.killpg(self.pid, signal.SIGKILL)
        self._loop.add_reader(self._pidfd, self._gone)

    def _gone(self) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
        self.finish(None)

    def log(self) -> bytes:
        """Give what the child has printed since the last time."""
        return drain(self.log_reader)

    def close(self) -> None:
        """Let every descriptor and timer go."""
        self.disarm()
        self.sent()
        self._loop.remove_reader(self._near.fileno())
        self._loop.remove_writer(self._near.fileno())
        self._near.close()
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        os.close(self.log_reader)
