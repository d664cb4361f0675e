"""Whether the parts that everything hangs on go on: the writer of the ledger and the schedule.

That the event loop goes on is shown by who looks here: nobody can on one that stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from optifire.runtime.clock import HEARTBEAT, SystemClock
from optifire.runtime.stage import Stage

if TYPE_CHECKING:
    import asyncio

    from optifire.runtime.engine import Engine
    from optifire.runtime.recorder import LiveRecorder

#: Seconds without a sign after which a part stands: the schedule gives one with each heartbeat.
PATIENCE: Final = 3 * HEARTBEAT.total_seconds()

#: Gives what changes for as long as a part goes on; None while it need not.
Sign = Callable[[], Hashable]


class Progress:
    """Compares the signs of parts from one look to the next.

    Parameters
    ----------
    signs
        By the name of the part, for people.
    patience
        Seconds for which the sign of a part may stay the same.
    """

    def __init__(self, signs: Mapping[str, Sign], patience: float = PATIENCE) -> None:
        self._signs = signs
        self._patience = patience
        self._seen: dict[str, Hashable] = {}
        self._still: dict[str, float] = {}

    def look(self, seconds: float) -> None:
        """Ask each part for its sign.

        `seconds` have passed since the last look in which the parts could go on: a machine that
        was asleep, or a loop that stood, is no reason to hold anything against them.
        """
        for name, ask in self._signs.items():
            sign = ask()
            moved = sign is None or sign != self._seen.get(name)
            self._still[name] = 0.0 if moved else self._still[name] + seconds
            self._seen[name] = sign

    @property
    def stuck(self) -> list[str]:
        """Say which parts have stood for too long, and for how long."""
        return [
            f"{name} has shown no progress for {still:.0f} s"
            for name, still in self._still.items()
            if still >= self._patience
        ]


class Moves:
    """Tells whoever watches to which state a service goes over: reloading, running, stopping."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[str], None]] = []

    def tell(self, state: str) -> None:
        """Say that the service goes over to a state."""
        for watcher in tuple(self.watchers):
            watcher(state)

    @asynccontextmanager
    async def reloading(self, state: Callable[[], str]) -> AsyncIterator[None]:
        """Say that a reload begins, and at its end which state that has led to."""
        self.tell("reloading")
        try:
            yield
        finally:
            self.tell(state())


class Echo:
    """Counts the answers of something that is asked again whenever it has answered."""

    def __init__(self, ask: Callable[[], asyncio.Future[object]]) -> None:
        self._ask = ask
        self._answer: asyncio.Future[object] | None = None
        self._answers = 0

    def __call__(self) -> int:
        """Give how many answers there have been; an error is one too."""
        if self._answer is None or self._answer.done():
            if self._answer is not None and not self._answer.cancelled():
                self._answer.exception()
            self._answers += 1
            self._answer = self._ask()
        return self._answers


def schedule_sign(engine: Engine, recorder: LiveRecorder) -> Hashable:
    """Give a sign of the schedule's loop.

    None when it is over, and while it waits for something that has an end of its own: a cycle,
    whose runs have timeouts, or a ledger that says that it cannot be written, and is tried again.
    The demo's clock has no heartbeat, and need not have one: it waits no longer than its pace.
    """
    place, clock = engine.place, engine.rooms.clock
    if place.stage is Stage.CLOCK:
        return (place.moves, clock.beats) if isinstance(clock, SystemClock) else None
    at_rest = place.stage is not Stage.RECORD or recorder.trouble is not None
    return None if at_rest else place.moves
