"""The service's side of one child: its life, its end, and what it printed."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from optifire.core.budget import UNKNOWN_USAGE
from optifire.workers.printed import drain, log_pipe
from optifire.workers.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from optifire.workers import messages as say

#: Seconds between TERM and KILL.
GRACE: Final = 0.2
#: Seconds in which a zygote forks, and reports the end after KILL; else it is told to go on.
WAITING: Final = 1.0
#: Seconds after KILL in which a zygote should report the end, else it may be stuck (see `vigil`).
STUCK: Final = 5.0


class Live:
    """One child as the service sees it.

    Attributes
    ----------
    number
        By which the zygote knows it.
    talk
        Its socket.
    log_writer
        The child's end of the log pipe, closed here once it is sent.
    ended
        Done when the process is gone and reaped, or was never there.
    why_lost
        Why there is no exit status: the zygote died or could not fork.
    unborn
        True when the zygote died before it said that there is a process.
    on_stuck
        Called when a kill has brought no end after 5 s: the zygote may be stuck.
    on_waiting
        Called when there is no process after a second, or no end a second after a kill: the
        zygote has much to do, or somebody has stopped it.
    overdue
        True when it was stopped because its time was up.
    breach, tasks
        The hard limit that it went over, ``cpu``, ``memory`` or ``processes``, and how many of the
        last it had then; empty while it has not.
    seen
        The most that it was seen to use with what it has started, unknown while that is nothing.
    shared
        The most of its resident bytes that were seen to lie in files.
    on_forked
        Called when its process is known.
    stopping
        The signal with which it has been told to end.
    ahead
        True when it was forked ahead of the run that takes it.
    """

    def __init__(
        self, number: int, loop: asyncio.AbstractEventLoop, *, ahead: bool = False
    ) -> None:
        self.number = number
        self.ahead = ahead
        self._loop = loop
        self.talk = Talk(loop, self._kill)
        try:
            self.log_reader, self.log_writer = log_pipe()
        except OSError:
            self.talk.close()
            raise
        self.pid = 0
        self._pidfd: int | None = None
        self.ended: asyncio.Future[say.Ended | None] = loop.create_future()
        self.why_lost = ""
        self.unborn = False
        self.overdue = False
        self.breach = ""
        self.seen = UNKNOWN_USAGE
        self.tasks = 0
        self.shared = 0
        self.on_forked: Callable[[], None] | None = None
        self.stopping: signal.Signals | None = None
        self.on_stuck: Callable[[], None] = self._kill
        self.on_waiting: Callable[[], object] = lambda: None
        self._timers = [loop.call_later(WAITING, _look_for, self)]

    def sent(self) -> None:
        """Close the child's ends, which travel or have travelled."""
        self.talk.far.close()
        if self.log_writer >= 0:
            os.close(self.log_writer)
            self.log_writer = -1

    def forked(self, pid: int, pidfd: int) -> None:
        """Take note of the process; a stop that was asked for meanwhile happens now."""
        self.pid, self._pidfd = pid, pidfd
        if self.stopping is not None:
            self._signal(self.stopping)
        elif self.on_forked is not None:
            self.on_forked()

    def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End the child: TERM, then KILL after 200 ms; or KILL at once."""
        if self.ended.done() or self.stopping is signal.SIGKILL or self.stopping is first:
            return
        self.stopping = first
        self._signal(first)
        if first is signal.SIGTERM:
            self._timers.append(self._loop.call_later(GRACE, self._kill))
        else:
            self._timers.append(self._loop.call_later(WAITING, self.on_waiting))
            self._timers.append(self._loop.call_later(STUCK, self.on_stuck))

    def _kill(self) -> None:
        self.stop(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def stop_after(self, seconds: float) -> None:
        """Stop the child that many seconds from now, as overdue, if it has not ended by then."""
        self._timers.append(self._loop.call_later(seconds, self.late))

    def answered(self) -> None:
        """Take note that the child has nothing left to do: it has 200 ms to end by itself."""
        self.disarm()
        self._timers.append(self._loop.call_later(GRACE, self._kill))

    def disarm(self) -> None:
        """Forget every stop that has not happened yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def late(self) -> None:
        """Stop the child, as overdue: its time is up."""
        if not self.ended.done() and not self.breach:  # it is being stopped for that already
            self.overdue = True
            self.stop()

    def finish(self, ended: say.Ended | None) -> None:
        """Take note of the end; what the child said before it is still heard."""
        if self.ended.done():
            return
        self.disarm()
        self.ended.set_result(ended)
        self.talk.finish()

    def lost(self, why: str) -> None:
        """End without an exit status: there never was a child."""
        self.why_lost = self.why_lost or why
        self.finish(None)

    def orphaned(self, why: str, gone: Callable[[], None]) -> None:
        """Kill a child that has lost its zygote; `finish` is for who is told when it is gone."""
        self.why_lost = self.why_lost or why
        self.unborn = not self.pid
        if self.ended.done() or self._pidfd is None:
            gone()
            return
        # The group's number is the leader's; it cannot be another's while the leader lives.
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            os.killpg(self.pid, signal.SIGKILL)
        pidfd = self._pidfd

        def over() -> None:
            self._loop.remove_reader(pidfd)
            gone()

        self._loop.add_reader(pidfd, over)

    def log(self) -> bytes:
        """Give what the child has printed since the last time."""
        return drain(self.log_reader)

    def close(self) -> None:
        """Let every descriptor and timer go."""
        self.disarm()
        self.sent()
        self.talk.close()
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        os.close(self.log_reader)


def _look_for(live: Live) -> None:
    """See to it that a zygote that has brought no process so far is not one that was stopped."""
    if not live.pid and not live.ended.done():
        live.on_waiting()


async def ended(live: Live) -> None:
    """Kill a child that has not ended, wait until it is gone and let its descriptors go.

    Cancelling this does not shorten it: a process must never be left behind.
    """
    live.stop(signal.SIGKILL)
    cancelled = False
    while not live.ended.done():
        try:
            await asyncio.shield(live.ended)
        except asyncio.CancelledError:
            cancelled = True
    live.close()
    if cancelled:
        raise asyncio.CancelledError
