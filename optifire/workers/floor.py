"""What a run that does nothing takes: measured for each zygote, taken off the figures of all runs.

A fork costs processor time and memory in the child too: pages are copied when they are first
written to, a context is built, and the whole of its address space is taken down at its end. None
of that is the plugin's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from optifire.core.budget import Budget
from optifire.core.errors import OptifireError
from optifire.core.limits import limits_for
from optifire.workers import messages as say
from optifire.workers.live import ended
from optifire.workers.rehearsal import rehearsed_order

if TYPE_CHECKING:
    from optifire.workers.link import Link

#: Children that are measured. The least counts: a busy machine adds to a figure, and never takes
#: from it.
_TRIES: Final = 4
#: Seconds in which one of them has ended, however busy the machine is.
_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Floor:
    """What a run that does nothing takes.

    Attributes
    ----------
    cpu
        Processor seconds of the whole process from its order on.
    attempt
        Those of the attempt alone, as the child reads them.
    peak
        Bytes of memory above those at the first line.
    """

    cpu: float = 0.0
    attempt: float = 0.0
    peak: int = 0


class Floors:
    """The floors of each zygote, measured beside its first run: of its spares, and of the rest."""

    def __init__(self) -> None:
        self._fresh: WeakKeyDictionary[Link, asyncio.Task[Floor]] = WeakKeyDictionary()
        self._ahead: WeakKeyDictionary[Link, asyncio.Task[Floor]] = WeakKeyDictionary()

    def of(self, link: Link, *, ahead: bool = False) -> asyncio.Future[Floor]:
        """Give what waits for a zygote's floor; cancelling who waits does not end the measuring.

        A child that was forked ahead has copied many of its pages already, and takes less.
        """
        known = self._ahead if ahead else self._fresh
        task = known.get(link)
        if task is None:
            task = known[link] = asyncio.ensure_future(measured(link, ahead=ahead))
        return asyncio.shield(task)

    def prepare(self, link: Link) -> None:
        """Measure what will be asked for, so that no run has to wait for it."""
        self.of(link)
        if link.spares.wanted:
            self.of(link, ahead=True)

    async def stop(self) -> None:
        """End what is being measured."""
        tasks = [*self._fresh.values(), *self._ahead.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def measured(link: Link, *, ahead: bool = False) -> Floor:
    """Measure some children that do nothing; zero where the zygote could not fork or has died."""
    found = [await _measured_once(link, ahead=ahead) for _ in range(_TRIES)]
    known = [floor for floor in found if floor is not None]
    if not known:
        return Floor()
    return Floor(
        min(floor.cpu for floor in known),
        min(floor.attempt for floor in known),
        min(floor.peak for floor in known),
    )


async def _measured_once(link: Link, *, ahead: bool) -> Floor | None:
    try:
        live = link.fork(ahead=ahead)
    except OptifireError:
        return None
    started, own = say.Started(0), 0.0
    try:
        order = rehearsed_order()
        order.limits = limits_for(Budget(), light=not link.settings.modules)
        live.stop_after(_TIMEOUT)
        live.talk.send(order)
        while (message := await live.talk.next()) is not None:
            if isinstance(message, say.Started):
                started = message
            elif isinstance(message, say.Done):
                own = message.cpu
                live.answered()
        exit_ = live.ended.result()
    finally:
        await ended(live)
    if exit_ is None or exit_.status:
        return None
    return Floor(exit_.cpu - started.cpu, own, max(0, exit_.peak - started.rss))
