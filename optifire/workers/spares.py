"""Children that a zygote has forked ahead: a run that takes one does not wait for a fork.

A spare has done all that is the same for every run: it has its own group, its mark, its output,
and has rehearsed, so that the pages a run writes to are its own already. It waits for the order at
its socket. Until it has said that it took the order nothing of a plugin has run in it, so one that
dies before that costs nobody's run anything.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final, Protocol

from optifire.core.errors import OptifireError

if TYPE_CHECKING:
    from optifire.workers.live import Live

#: Seconds without a fork or an end after which the next spare is forked. A zygote that forks reaps
#: nobody meanwhile, which would hold up the ends of runs; the slowest fork takes about as long.
SETTLE: Final = 0.02
#: Doublings of that at most, when one spare after the other dies: up to 41 seconds.
_MOST_DOUBLINGS: Final = 11


class Forks(Protocol):
    """A zygote, as far as it is needed here."""

    @property
    def alive(self) -> bool:
        """Whether children can be asked for."""

    def fork(self, *, ahead: bool) -> Live:
        """Ask for a child; raises `OptifireError` when there can be none."""


class Spares:
    """The spares of one zygote: none, until some are wanted.

    Parameters
    ----------
    zygote
        Who forks them.
    loop
        On which time passes.

    Attributes
    ----------
    wanted
        How many there are to be.
    stirred
        When the zygote had something else to do last, in the loop's seconds.
    """

    def __init__(self, zygote: Forks, loop: asyncio.AbstractEventLoop) -> None:
        self._zygote = zygote
        self._loop = loop
        self.wanted = 0
        self._held: list[Live] = []
        self._ending: set[Live] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._taught: dict[str, tuple[str, int]] = {}
        self._news = 0
        self._deaths = 0
        self.stirred = loop.time()

    @property
    def count(self) -> int:
        """How many there are, those that are ending included."""
        return len(self._held) + len(self._ending)

    def pids(self) -> list[int]:
        """Give the processes that are there, those that are ending included."""
        return [live.pid for live in (*self._held, *self._ending) if live.pid]

    def want(self, count: int) -> None:
        """Hold that many from now on."""
        if count != self.wanted:
            self.wanted = count
            while len(self._held) > count:
                self._end(self._held[0])
            self._later()

    def take(self, folder: str, checksum: str) -> Live | None:
        """Give a spare that has the plugin's code compiled, or knows of none; None without one."""
        for live in self._held:
            if self._knows(live, folder, checksum):
                self._held.remove(live)
                self._deaths = 0
                self.stir()
                return live
        return None

    def ready(self, folder: str, checksum: str) -> bool:
        """Tell whether there is a spare that a run of that plugin would take."""
        return any(self._knows(live, folder, checksum) for live in self._held)

    def taught(self, folder: str, checksum: str, number: int) -> None:
        """Take note of the plugin whose code children from that number on have compiled.

        Spares of before do not; each is replaced by one that does.
        """
        if checksum and self._taught.get(folder, ("", 0))[0] != checksum:
            self._taught[folder] = (checksum, number)
            self._news = number

    def stir(self) -> None:
        """Take note that the zygote has something to do; spares are forked after that."""
        self.stirred = self._loop.time()
        self._later()

    def _later(self) -> None:
        """Fork what is missing when the zygote has settled."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self.wanted:
            after = SETTLE * 2 ** min(self._deaths, _MOST_DOUBLINGS)
            self._timer = self._loop.call_later(after, self._fill)

    async def stop(self) -> None:
        """End all of them; returns when they are gone."""
        self.want(0)
        while self._ending:
            await asyncio.wait([live.ended for live in self._ending])

    def _knows(self, live: Live, folder: str, checksum: str) -> bool:
        if not checksum:
            return True
        known, since = self._taught.get(folder, ("", 0))
        return known == checksum and live.number >= since

    def _fill(self) -> None:
        """Fork one that is missing, or one in the place of one that knows too little."""
        self._timer = None
        old = [live for live in self._held if live.number < self._news]
        if not self._zygote.alive or (len(self._held) >= self.wanted and not old):
            return
        try:
            live = self._zygote.fork(ahead=True)
        except OptifireError:  # no descriptors left; runs come first
            self._deaths += 1
        else:
            self._held.append(live)
            live.ended.add_done_callback(lambda _: self._over(live))
            if len(self._held) > self.wanted:
                self._end(old[0])
        self._later()

    def _end(self, live: Live) -> None:
        self._held.remove(live)
        self._ending.add(live)
        live.stop(signal.SIGKILL)

    def _over(self, live: Live) -> None:
        """Let go of one that has ended, unless a run has taken it."""
        if live in self._held:
            self._held.remove(live)
            self._deaths += 1
        elif live in self._ending:
            self._ending.remove(live)
        else:
            return
        live.close()
        self._later()
