"""Where time comes from: the wall, a virtual clock for replays, a paced one for the demo.

This is the one module that reads the machine's clocks and sleeps.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: An APScheduler trigger must always name a next instant; this is the longest silence, a heartbeat.
HEARTBEAT = timedelta(seconds=5)


def wall_now() -> datetime:
    """Give the wall clock's present, UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Give seconds that never go back, for measuring spans of real time."""
    return time.monotonic()


def boottime() -> float:
    """Give seconds that never go back and go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def real_pause(seconds: float) -> None:
    """Let real time pass."""
    await asyncio.sleep(seconds)


class Timer(Protocol):
    """Calls back at an instant of the wall clock; arming again replaces what was armed."""

    def now(self) -> datetime:
        """Give the present instant as this timer sees it."""

    def start(self, ring: Callable[[], None]) -> None:
        """Begin; `ring` is called on the loop at every armed instant."""

    def arm(self, instant: datetime | None) -> None:
        """Ring at an instant, or only at the heartbeat."""

    def stop(self) -> None:
        """End; nothing rings any more."""

    async def pause(self, seconds: float) -> None:
        """Let real time pass."""


class SystemClock:
    """The wall clock: waits on a timer, which in service is APScheduler's."""

    timeless = False

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._woken = False
        self._bell = asyncio.Event()
        #: How often `wait` has looked at the time: without an end of it, once a heartbeat.
        self.beats = 0
        timer.start(self._bell.set)

    def now(self) -> datetime:
        """Give the present instant."""
        return self._timer.now()

    async def wait(self, until: datetime | None) -> datetime:
        """Wait until an instant or `wake`; the heartbeat rings in between and is passed over."""
        self._timer.arm(until)
        while True:
            now = self.now()
            self.beats += 1
            self._bell.clear()
            if self._woken or (until is not None and now >= until):
                self._woken = False
                return now
            await self._bell.wait()

    def wake(self) -> None:
        """End a `wait` early: the one that goes on, or else the next."""
        self._woken = True
        self._bell.set()

    async def pause(self, seconds: float) -> None:
        """Let that much time pass."""
        await self._timer.pause(seconds)

    def stop(self) -> None:
        """End the timer."""
        self._timer.stop()


class VirtualClock:
    """Time that stands where it is put: a run takes none of it, and nothing is ever late."""

    timeless = True

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """Give the virtual present."""
        return self._now

    async def wait(self, until: datetime | None) -> datetime:
        """Jump to an instant; never back. Without one, stay."""
        if until is not None and until > self._now:
            self._now = until
        return self._now

    def wake(self) -> None:
        """Nothing ever waits here."""

    async def pause(self, seconds: float) -> None:
        """Return at once: a pause takes no virtual time."""


class PacedClock:
    """Recorded market time at a pace: jumps from instant to instant, real seconds in between.

    Parameters
    ----------
    start
        The virtual instant to begin at.
    pace
        Real seconds that lie at least between two jumps.
    elapsed
        Seconds of real time that never go back.
    let_pass
        Lets real seconds pass.
    """

    timeless = False

    def __init__(
        self,
        start: datetime,
        pace: float,
        *,
        elapsed: Callable[[], float] = monotonic,
        let_pass: Callable[[float], Awaitable[None]] = real_pause,
    ) -> None:
        self._elapsed = elapsed
        self._let_pass = let_pass
        self._anchor = start
        self._since = elapsed()
        self._pace = pace
        self._bell = asyncio.Event()

    def now(self) -> datetime:
        """Give the instant jumped to, plus the real time that has passed since."""
        return self._anchor + timedelta(seconds=self._elapsed() - self._since)

    async def wait(self, until: datetime | None) -> datetime:
        """Jump to an instant once the pace allows it; without one, wait for `wake`."""
        left = self._pace - (self._elapsed() - self._since)
        waits = until is None or left > 0
        if self._bell.is_set() or (
            waits and await self._woken_within(None if until is None else left)
        ):
            self._bell.clear()
            return self.now()
        if until is not None:
            self._anchor, self._since = max(until, self.now()), self._elapsed()
        return self.now()

    def wake(self) -> None:
        """End a `wait` early: the one that goes on, or else the next."""
        self._bell.set()

    async def pause(self, seconds: float) -> None:
        """Let real time pass."""
        await self._let_pass(seconds)

    async def _woken_within(self, seconds: float | None) -> bool:
        """Wait for `wake`, but no longer than some real seconds (None: for as long as it takes)."""
        bell = asyncio.ensure_future(self._bell.wait())
        rings = {bell}
        if seconds is not None:
            rings.add(asyncio.ensure_future(self._passed(seconds)))
        try:
            await asyncio.wait(rings, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for ring in rings:
                ring.cancel()
        return self._bell.is_set()

    async def _passed(self, seconds: float) -> Literal[True]:
        """Let real time pass."""
        await self._let_pass(seconds)
        return True
