"""Who has the machine while nobody else needs it: idle work, one job at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from optifire.core.calendar import CalendarRangeError
from optifire.runtime.admission import is_over
from optifire.runtime.overlap import Manner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from optifire.core.firing import Firing
    from optifire.runtime.parts import Parts
    from optifire.runtime.planner import Planner

#: How long before a session trigger idle work makes way for it.
MAKES_WAY: Final = timedelta(seconds=60)


class Owner(Protocol):
    """Where the present catalog and its planner come from."""

    def parts(self) -> Parts:
        """Give catalog and rooms as they are now."""

    def planner(self) -> Planner:
        """Give the planner of the present catalog."""


class Idling:
    """Lets idle work begin when nothing else goes on, and has it make way for sessions.

    A session trigger is the instant of any job's session word, and for a job that does not run
    intraday the open of its own market too.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._turns = asyncio.Lock()
        self._changed = asyncio.Event()
        self._others: set[asyncio.Future[None]] = set()
        self._first: Firing | None = None
        self._waiting: list[Firing] = []
        self._stopped = False

    def other(self, cycle: Awaitable[None]) -> None:
        """Take in a cycle that is not idle work: nothing idle begins before it has ended."""
        work = asyncio.ensure_future(cycle)
        self._others.add(work)
        work.add_done_callback(self._is_over)

    def _is_over(self, work: asyncio.Future[None]) -> None:
        self._others.discard(work)
        self._changed.set()

    @asynccontextmanager
    async def turn(self, firing: Firing) -> AsyncIterator[bool]:
        """Wait for the machine and have it; False where everything was stopped before."""
        self._waiting.append(firing)
        try:
            async with self._turns:
                self._first = firing
                self._owner.parts().clock.wake()  # there is something to look at from now on
                while not self._stopped and not self._is_free(firing):
                    self._changed.clear()
                    await self._changed.wait()
                yield not self._stopped
        finally:
            self._waiting.remove(firing)
            if self._first is firing:
                self._first = None

    def drop(self, run_id: str, why: str) -> bool:
        """Cancel what waits for the machine; False when nothing of this id does."""
        for firing in self._waiting:
            if firing.key.run_id == run_id:
                firing.dropped = why
                self._changed.set()
                return True
        return False

    def _is_free(self, firing: Firing) -> bool:
        """Tell whether nothing else goes on, and nothing that goes first is near.

        One that is cancelled, or whose closed window is over, need not wait: it does not run.
        """
        coming = self._coming(firing)
        now = self._owner.parts().clock.now()
        if firing.dropped or is_over(firing, now):
            return True
        return not self._others and (coming is None or coming[0] - now > MAKES_WAY)

    def _coming(self, firing: Firing) -> tuple[datetime, str] | None:
        """Give the session trigger that is next, and what it is."""
        planner, found = self._owner.planner(), []
        session = planner.next_session()
        if session is not None:
            found.append((session.due, f"{session.trigger} of {session.plugin_id} is due"))
        if not firing.job.intraday:
            with suppress(CalendarRangeError):
                opens = firing.job.schedule.calendar.next_open(planner.cursor)
                found += [] if opens is None else [(opens, "the market opens")]
        return min(found, default=None)

    def next_look(self) -> datetime | None:
        """Give when `look` is needed next, None while nothing idle waits or goes on."""
        coming = None if self._first is None else self._coming(self._first)
        if coming is None:
            return None
        now = self._owner.parts().clock.now()
        before = coming[0] - MAKES_WAY
        return before if now < before else coming[0]

    def look(self) -> None:
        """Have what is idle work make way where a session trigger is near, or else begin."""
        self._changed.set()
        coming = None if self._first is None else self._coming(self._first)
        parts = self._owner.parts()
        if coming is None or coming[0] - parts.clock.now() > MAKES_WAY:
            return
        due, what = coming
        for run in parts.live.all():
            if run.firing.idle:
                run.end(f"{what} at {due:%Y-%m-%dT%H:%M:%SZ}", Manner.YIELD)

    def stop(self) -> None:
        """Let nothing more begin; what waits is owed at the next start."""
        self._stopped = True
        self._changed.set()
