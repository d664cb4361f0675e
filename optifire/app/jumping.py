"""What a service does about a system clock that jumps: goes by it at once, notes it, says so."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, NoteRow
from optifire.core.ports import Clock
from optifire.ops.health import Level
from optifire.ops.signs import Sign
from optifire.runtime.clock import SystemClock, boottime, monotonic, wall_now
from optifire.runtime.jumps import LEAST, Jump, JumpWatch, roughly
from optifire.store.codec import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("optifire.service")

#: Seconds for which a jump is in health.
SHOWN: Final = 3600.0
#: Seconds after a jump by more than `WILD` in which nothing is removed for its age.
HELD: Final = 86_400.0
WILD: Final = timedelta(days=1)
#: A schedule that stands still for longer than this costs session jobs.
LONG: Final = timedelta(minutes=10)
#: The kind of the note of a jump.
CLOCK: Final = "clock"


def watch_of_clocks() -> JumpWatch:
    """Give a watch over the clocks of this machine."""
    return JumpWatch(wall_now, monotonic, boottime)


class Reach(Protocol):
    """How far the record went at the start, and how far a planner has handed out since."""

    reached: datetime

    @property
    def cursor(self) -> datetime:
        """The instant up to which everything has been handed out."""


@dataclass(slots=True)
class Jumping:
    """The jumps of the clock that a service goes by; one of recorded data goes by none.

    Parameters
    ----------
    clock
        Is woken, so that it looks at the wall anew.
    planner
        Gives what knows up to which instant every occurrence has its record.
    write
        Writes a batch, once.
    watch
        Finds the jumps.
    passed
        Gives seconds that only grow, those of a sleep among them.
    """

    clock: Clock
    planner: Callable[[], Reach]
    write: Callable[[Batch], Awaitable[object]]
    watch: JumpWatch = field(default_factory=watch_of_clocks)
    passed: Callable[[], float] = boottime
    _last: tuple[float, Jump] | None = field(default=None, init=False)
    _wild: float | None = field(default=None, init=False)
    _unwritten: list[NoteRow] = field(default_factory=list, init=False)

    async def look(self) -> None:
        """Take in what has happened since the last look."""
        if not isinstance(self.clock, SystemClock):
            return
        jumps = self.watch.look()
        for jump in jumps:
            self._last = self.passed(), jump
            log.warning("%s", jump.sentence)
            if abs(jump.by) > WILD and not jump.asleep:
                self._wild = self.passed()
                log.warning("the clock was set by days: for a day nothing is removed for its age")
            subject = "asleep" if jump.asleep else "back" if jump.by < timedelta() else "forward"
            self._unwritten.append(NoteRow(jump.at, CLOCK, subject, jump.sentence))
            self.clock.wake()
        if self._unwritten:
            notes, self._unwritten = self._unwritten, []
            try:
                await self.write(Batch(notes=notes))
            except StoreError as error:  # it is noted when there is room again
                self._unwritten = [*notes, *self._unwritten]
                if jumps:
                    log.warning("a jump of the clock could not be noted yet: %s", error)

    def is_doubtful(self) -> bool:
        """Tell whether the clock went so far of late that the age of records says nothing."""
        return self._wild is not None and self.passed() - self._wild < HELD

    def signs(self) -> Iterator[Sign]:
        """Say that it has jumped of late, and whether the schedule stands still for that."""
        if not isinstance(self.clock, SystemClock):
            return
        accounted = max(self.planner().reached, self.planner().cursor)
        behind = accounted - self.clock.now()
        if behind > LEAST:
            said = (
                f"the system clock stands {roughly(behind)} before {iso(accounted)}, up to "
                "which every occurrence has its record: nothing is due until then"
            )
            yield Sign(CLOCK, Level.RED if behind > LONG else Level.AMBER, said)
        elif self._last is not None and self.passed() - self._last[0] < SHOWN:
            yield Sign(CLOCK, Level.AMBER, self._last[1].sentence)
