"""The loop that passes firings on: wait, plan, run cycles. It decides nothing itself."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from optifire.core.firing import Firing, Owed, Span
from optifire.core.ledger import Batch, EventRow, NoteRow, RunRow
from optifire.core.ports import Event, Tick
from optifire.core.run import Reason, RunKey, RunKind
from optifire.core.session import SESSION_EVENTS
from optifire.runtime.cycle import Cycle, CycleEnd
from optifire.runtime.idle import Idling
from optifire.runtime.stage import Place, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from optifire.core.types import PluginId
    from optifire.runtime.parts import Parts
    from optifire.runtime.planner import Planner

log = logging.getLogger("optifire.orchestrator")

#: How long a job started by an event waits for a producer that is still running.
EVENT_GRACE = timedelta(seconds=120)


class Conductor(Protocol):
    """What the loop asks of its owner: the present catalog, and a parent for its cycles."""

    def parts(self) -> Parts:
        """Give catalog and rooms as they are now; a cycle keeps what it got."""

    def planner(self) -> Planner:
        """Give the planner of the present catalog."""

    def tell(self, firing: Firing) -> None:
        """Give a session event to a job that handles events."""

    def passed(self, tick: Tick, /) -> Sequence[NoteRow]:
        """Give what is to be written down about a stretch of time beside its runs."""

    def spawn(self, name: str, cycle: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        """Run a cycle as a supervised task; awaiting the answer waits for it."""


class Orchestrator:
    """Turns ticks into cycles.

    Parameters
    ----------
    conductor
        Owns catalog, planner and tasks.
    in_step
        One cycle after another, the clock standing still for each (replay, demo); otherwise ticks
        do not wait for cycles.
    until
        The last instant to be accounted for; None to go on for ever.
    stay
        Wait for manual runs after the last instant, instead of returning.
    """

    def __init__(
        self,
        conductor: Conductor,
        *,
        in_step: bool,
        until: datetime | None = None,
        stay: bool = False,
    ) -> None:
        self._conductor = conductor
        self._in_step = in_step
        self._until = until
        self._stay = stay
        self._stopping = asyncio.Event()
        #: Whether nothing is due any more before the last instant.
        self.finished = False
        self._idling = Idling(conductor)
        #: Where the loop stands.
        self.place = Place()

    async def run(self) -> None:
        """Run until `stop`, or until nothing is due any more before ``until``."""
        try:
            await self._go_on()
        finally:
            self.place.move(Stage.OVER)

    async def _go_on(self) -> None:
        """Turn ticks into cycles, one after another."""
        clock = self._conductor.parts().clock
        since = clock.now()
        while True:
            wanted = self._next_instant()
            self.finished = wanted is None and self._until is not None
            if self.finished and not self._stay:
                return
            self.place.move(Stage.CLOCK)
            now = await clock.wait(wanted)
            if self._stopping.is_set():
                return
            planner = self._conductor.planner()
            limit = now if self._until is None else min(now, self._until)
            tick = Tick(min(since, limit), limit)
            await self._start(planner.owed(tick), self._conductor.passed(tick))
            self._idling.look()
            since = limit

    def stop(self) -> None:
        """Start no further cycle; those in flight are the owner's to end."""
        self._stopping.set()
        self._idling.stop()
        self._conductor.parts().clock.wake()

    def drop(self, run_id: str, why: str) -> bool:
        """Cancel idle work that waits for the machine; False when there is none of this id."""
        return self._idling.drop(run_id, why)

    def _next_instant(self) -> datetime | None:
        """Give when to look again; a paced clock does not stop for jobs that watch the machine."""
        instant = self._conductor.planner().next_instant(observing=not self._in_step)
        if instant is not None and self._until is not None and instant > self._until:
            return None
        look = self._idling.next_look()
        return min(instant or look, look) if look is not None else instant

    async def _start(self, owed: Owed, notes: Sequence[NoteRow]) -> None:
        """Write spans and notes down and start one cycle for each (due, turn)."""
        owed = self._told(owed)
        if owed.spans or notes:
            self.place.move(Stage.RECORD)
            batch = Batch(runs=[span_row(span) for span in owed.spans], notes=list(notes))
            await self._unless_stopped(self._conductor.spawn("record", self._write(batch)))
        for firings in cycles_of(owed.firings):
            name = f"cycle {firings[0].due:%Y-%m-%dT%H:%M:%S}Z turn {firings[0].turn}"
            idle = firings[0].idle and not self._in_step
            work = self._when_idle(firings) if idle else self.work(firings)
            running = self._conductor.spawn(name, work)
            if not idle:
                self._idling.other(running)
            if self._in_step:
                self.place.move(Stage.CYCLE)
                await self._unless_stopped(running)
            if self._stopping.is_set():
                return

    def _told(self, owed: Owed) -> Owed:
        """Tell session events to who handles events, and give what else is owed.

        An event makes no run, and one that is found late is no news.
        """
        jobs = [*(one.job for one in owed.firings), *(one.job for one in owed.spans)]
        if not any(job.handles_events for job in jobs):
            return owed
        left = Owed(spans=[span for span in owed.spans if not _is_event(span)])
        for firing in owed.firings:
            if _is_event(firing):
                self._conductor.tell(firing)
            else:
                left.firings.append(firing)
        return left

    async def _unless_stopped(self, work: Awaitable[None]) -> None:
        """Wait for some work to end, but no longer than until `stop`: the owner drains it."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            both = {asyncio.ensure_future(work), stopping}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()

    def _write(self, batch: Batch) -> Callable[[], Awaitable[None]]:
        """Give the work of writing down what does not run."""

        async def work() -> None:
            await self._conductor.parts().recorder.write(batch)

        return work

    def _when_idle(self, firings: Sequence[Firing]) -> Callable[[], Awaitable[None]]:
        """Give the work of one idle job: when nothing else runs, and again when it made way."""

        async def work() -> None:
            left = firings
            while left:
                async with self._idling.turn(left[0]) as mine:
                    left = await self._turns(left) if mine else ()

        return work

    def work(self, firings: Sequence[Firing]) -> Callable[[], Awaitable[None]]:
        """Give the work of one cycle and of the turns that its events start."""

        async def work() -> None:
            await self._turns(firings)

        return work

    async def _turns(self, firings: Sequence[Firing]) -> Sequence[Firing]:
        """Run one cycle and the turns that its events start; give what has to be run again."""
        parts = self._conductor.parts()
        first = end = await Cycle(firings, parts).run()
        while following := next_turn(end, parts):
            chain = (*end.chain, *(event.name for event in end.events if not event.taken))
            end = await Cycle(following, parts, chain).run()
        return first.left


def _is_event(one: Firing | Span) -> bool:
    """Tell whether something is owed only because of a session event that its job handles."""
    return one.job.handles_events and one.trigger in SESSION_EVENTS


def cycles_of(firings: Sequence[Firing]) -> list[list[Firing]]:
    """Give the firings of each cycle: one a (due, turn); manual runs and idle jobs stand alone."""

    def key(one: Firing) -> tuple[object, ...]:
        alone = one.idle or one.kind is not RunKind.SCHEDULED
        return (one.due, one.turn, one.kind, one.job.plugin_id if alone else "")

    return [list(group) for _, group in groupby(firings, key)]


def next_turn(end: CycleEnd, parts: Parts) -> list[Firing]:
    """Give the firings that the events of a finished cycle start, one a job."""
    return firings_of_events([event for event in end.events if not event.taken], parts)


def firings_of_events(events: Sequence[EventRow], parts: Parts) -> list[Firing]:
    """Give one firing for each job that listens to any of the events of one turn."""
    heard: dict[PluginId, list[EventRow]] = {}
    for event in sorted(events, key=lambda one: (one.run_id, one.seq)):
        for plugin_id in parts.listeners.get(event.name, ()):
            heard.setdefault(plugin_id, []).append(event)
    firings = []
    for plugin_id in sorted(heard):
        rows = heard[plugin_id]
        names = ", ".join(dict.fromkeys(row.name for row in rows))
        firings.append(
            Firing(
                parts.jobs[plugin_id],
                rows[0].due,
                f"event: {names}",
                EVENT_GRACE,
                rows[0].turn + 1,
                events=tuple(Event(row.name, row.data, row.source) for row in rows),
            )
        )
    return firings


def span_row(span: Span) -> RunRow:
    """Give the one row that stands for a stretch of late occurrences."""
    key = RunKey(span.job.plugin_id, span.last)
    words = "1 occurrence" if span.count == 1 else f"{span.count} occurrences"
    return RunRow(
        key=key,
        run_id=key.run_id,
        status=span.status,
        trigger=span.trigger,
        version=span.job.version,
        reason=Reason("late", f"{words} found after grace"),
        first=span.first,
        count=span.count,
    )
