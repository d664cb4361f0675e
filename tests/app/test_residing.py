"""Which events a plugin that lives on is told, and which it misses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from optifire.app.residing import Residing
from optifire.core.calendar import AlwaysOpen
from optifire.core.job import Code, Job, Placement
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.ports import Event
from optifire.core.run import RunKey, RunStatus
from optifire.core.schedule import parse_schedule
from optifire.core.types import Encoded, PluginId
from optifire.runtime.clock import VirtualClock
from optifire.runtime.standings import Standings

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


def job(name: str) -> Job:
    schedule = parse_schedule("interval_1h", calendar=AlwaysOpen())
    code = Code("/a", "A", "00")
    plugin_id = PluginId(name)
    return Job(plugin_id, "1.0.0", "alpha", schedule, code, placement=Placement.RESIDENT)


GOOD, BAD = job("good"), job("bad")


@dataclass
class Told:
    """A worker that notes what it is told; each event takes until it is let go on."""

    heard: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def tell(self, told: Job, event: Event, _: datetime) -> None:
        self.heard.put_nowait((told.plugin_id, event.name))
        await self.go_on.wait()


def ended(of: Job, status: RunStatus) -> RunRow:
    row = new_run(RunKey(of.plugin_id, NOON), status)
    row.started_at = row.finished_at = NOON
    return row


def event(name: str) -> Event:
    return Event(name, Encoded(b"\xc0"))


@asynccontextmanager
async def residing(standings: Standings) -> AsyncIterator[tuple[Residing, Told]]:
    """Give residents of which a test sees what they are told."""
    nobody = cast("Any", None)
    made = Residing(nobody, cast("Any", _Recorder()), VirtualClock(NOON), standings=standings)
    told = Told()
    made.worker = cast("Any", told)
    task = asyncio.create_task(made.run())
    try:
        yield made, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Recorder:
    """Has nothing to write: what a plugin misses is worth no note."""

    async def write(self, batch: Batch) -> None:
        raise AssertionError(batch.notes)


def standings_of_two() -> Standings:
    standings = Standings(most=1)
    standings.adopt({each.plugin_id: each for each in (GOOD, BAD)}, NOON)
    return standings


async def test_one_that_is_quarantined_is_told_nothing_until_it_is_released() -> None:
    standings = standings_of_two()
    standings.end(BAD, ended(BAD, RunStatus.FAILED))
    async with residing(standings) as (made, told):
        told.go_on.set()
        made.tell(BAD, event("missed"), NOON)
        made.tell(GOOD, event("first"), NOON)
        assert await told.heard.get() == ("good", "first")
        standings.end(BAD, ended(BAD, RunStatus.SUCCEEDED))
        made.tell(BAD, event("second"), NOON)
        assert await told.heard.get() == ("bad", "second")
        assert told.heard.empty()


async def test_what_waits_for_one_when_it_is_quarantined_is_missed_too() -> None:
    standings = standings_of_two()
    async with residing(standings) as (made, told):
        for name in ("begun", "waits", "waits too"):
            made.tell(BAD, event(name), NOON)
        assert await told.heard.get() == ("bad", "begun")
        standings.end(BAD, ended(BAD, RunStatus.FAILED))
        told.go_on.set()
        made.tell(GOOD, event("after"), NOON)
        assert await told.heard.get() == ("good", "after")
        standings.end(BAD, ended(BAD, RunStatus.SUCCEEDED))
        made.tell(BAD, event("later"), NOON)
        assert await told.heard.get() == ("bad", "later")
