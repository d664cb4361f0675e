"""Whether a zygote that does not tell an end is stuck, or only has much to do.

On a machine with more to do than processors a zygote may not get to an end for many seconds; to
kill it then would take all its runs along, which did nothing wrong. So time alone does not decide:
it must have stood still, with a child that has ended before it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.workers.procstat import stat_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from optifire.workers.live import Live

#: Seconds between two looks at one that should have told an end by now.
AGAIN: Final = 1.0
#: Seconds after which it is stuck although it uses the processor, if it has told nothing at all: no
#: machine is so busy that one message takes as long.
HOPELESS: Final = 60.0
#: States in which a process wants the processor, or the kernel is at work for it (proc(5), stat).
_AT_WORK: Final = frozenset("RD")
#: States of a process that has ended; the last one is that of none.
_ENDED: Final = frozenset(("Z", "X", ""))


@dataclass(frozen=True, slots=True)
class Pulse:
    """What tells that a process goes on: its state as one letter, and its processor seconds."""

    state: str
    cpu: float


def pulse_of(pid: int) -> Pulse:
    """Give the pulse of a process; one that is gone has none."""
    stat = stat_of(pid)
    if stat is None:
        return Pulse("", 0.0)
    try:
        return Pulse(stat.state, time.clock_gettime((~pid << 3) | 2))  # clock_getcpuclockid(3)
    except OSError:
        return Pulse("", 0.0)


class Vigil:
    """Looks at one zygote, by its process, for as long as some child should have ended.

    Parameters
    ----------
    pid
        The zygote.
    heard
        Gives how many messages have come from it.
    kill
        Ends it.
    pulse
        Gives the pulse of a process.
    """

    def __init__(
        self,
        pid: int,
        heard: Callable[[], int],
        kill: Callable[[], object],
        loop: asyncio.AbstractEventLoop,
        pulse: Callable[[int], Pulse] = pulse_of,
    ) -> None:
        self._pid = pid
        self._heard = heard
        self._kill = kill
        self._loop = loop
        self._pulse = pulse

    def begin(self, live: Live) -> None:
        """Look from now on, until the end of a child has been told or the zygote has ended."""
        self._later(live, self._pulse(self._pid), self._heard(), self._loop.time())

    def _later(self, live: Live, before: Pulse, heard: int, since: float) -> None:
        self._loop.call_later(AGAIN, self._look, live, before, heard, since)

    def _look(self, live: Live, before: Pulse, heard: int, since: float) -> None:
        """Judge by what has happened since the last look, and since the last message."""
        if live.ended.done():
            return
        now, told = self._pulse(self._pid), self._heard()
        if told != heard or self._lives(live):
            self._later(live, now, told, self._loop.time())
        elif _goes_on(before, now) and self._loop.time() - since < HOPELESS:
            self._later(live, now, told, since)
        else:
            self._kill()

    def _lives(self, live: Live) -> bool:
        """Tell whether a child itself has not ended yet: the kernel is still at that."""
        return bool(live.pid) and self._pulse(live.pid).state not in _ENDED


def _goes_on(before: Pulse, now: Pulse) -> bool:
    return now.state in _AT_WORK or now.cpu > before.cpu
