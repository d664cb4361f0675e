"""Lets virtual time pass in the parts of a host, and tells what became of each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.core.errors import NotFoundError
from optifire.core.firing import Firing
from optifire.core.ledger import EventRow
from optifire.core.ports import Event
from optifire.core.run import TERMINAL, RunKind
from optifire.core.types import PluginId, RunId, fold_id
from optifire.runtime.engine import Engine, Pace
from optifire.runtime.orchestrator import EVENT_GRACE
from optifire.sdk.context import BusEvent
from optifire.store.guard import SHARED
from optifire.testing.joining import Joined, join
from optifire.testing.testrun import TestRun
from optifire.workers.wire import decode_value, encode_value

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from optifire.core.job import Job
    from optifire.core.ledger import Batch, RunRow
    from optifire.host.home import Home
    from optifire.testing.asked import Asked
    from optifire.testing.worker import Made


class Player:
    """Plays the parts of a host; one engine for each stretch of time, on the same ledger."""

    def __init__(self) -> None:
        self.joined: Joined
        self.runs: list[TestRun] = []
        self.events: list[BusEvent] = []
        self._ended: dict[str, RunRow] = {}

    async def open(
        self, plugins: Sequence[object], asked: Asked, home: Home, start: dt.datetime
    ) -> None:
        """Join the parts; raises `OptifireError` where a plugin cannot be loaded."""
        self.joined = await join(plugins, asked, home, start, self._listen)
        self.joined.worker.cancel_at = asked.cancel_at
        await self.joined.worker.start()

    async def close(self) -> None:
        """Let the parts go."""
        await self.joined.worker.stop()
        await self.joined.store.close()

    def now(self) -> dt.datetime:
        """Give the virtual present."""
        return self.joined.rooms.clock.now()

    async def advance(self, until: dt.datetime) -> list[TestRun]:
        """Let time pass up to and with an instant."""
        found = await self._play(until)
        await self.joined.rooms.clock.wait(until)
        return found

    async def fire(self, plugin_id: str, events: Sequence[BusEvent]) -> TestRun:
        """Run one plugin now, by hand; of its run and those it leads to, give its own."""
        job = self._job(plugin_id)
        heard = tuple(Event(e.name, encode_value(e.data, e.name), e.source) for e in events)
        firing = Firing(job, self.now(), "test", EVENT_GRACE, kind=RunKind.MANUAL, events=heard)
        while firing.key.run_id in self._ended:  # by hand again at the same instant
            firing.turn += 1
        found = await self._play(self.now(), firings=[firing])
        return next(run for run in found if run.run_id == firing.key.run_id)

    async def publish(self, name: str, data: object, source: str) -> list[TestRun]:
        """Start who listens to an event that is published now."""
        turn = max((r.key.turn for r in self._ended.values() if r.key.due == self.now()), default=0)
        encoded = encode_value(data, name)
        row = EventRow(RunId(source), 0, self.now(), turn, name, source, encoded, taken=False)
        return await self._play(self.now(), events=[row])

    async def query(self, sql: str, params: Sequence[object]) -> list[dict[str, Any]]:
        """Answer a query on all tables as they are now."""
        reader = await self.joined.store.snapshot()
        try:
            found = await reader.fetch(sql, encode_value(list(params), "parameters"), one=False)
        finally:
            await reader.close()
        rows: list[dict[str, Any]] = decode_value(found)
        return rows

    def context(self) -> Mapping[str, Any]:
        """Give the shared context as committed, by name."""
        held = self.joined.rooms.board.snapshot()
        return {name: decode_value(value.value) for name, value in held.items()}

    async def _play(
        self,
        until: dt.datetime,
        *,
        firings: Sequence[Firing] = (),
        events: Sequence[EventRow] = (),
    ) -> list[TestRun]:
        """Run an engine up to an instant; a crash of the machinery is raised as it came."""
        crashes: list[BaseException] = []
        before = set(self._ended)
        engine = Engine(
            self.joined.program,
            self.joined.rooms,
            Pace(in_step=True, until=until),
            start=self.now(),
            since={},
            report=lambda _, error: crashes.append(error),
        )
        engine.take_up(firings, events)
        await engine.run()
        if crashes:
            raise crashes[0]
        fresh = [row for run_id, row in self._ended.items() if run_id not in before]
        found = [await self._told(row) for row in fresh]
        self.runs += found
        for run in found:
            self.events += run.events
        return found

    def _listen(self, batch: Batch) -> None:
        """Keep the rows of runs that have ended; a row is complete when its cycle is."""
        self._ended.update({row.run_id: row for row in batch.runs if row.status in TERMINAL})

    def _job(self, plugin_id: str) -> Job:
        jobs = self.joined.program.jobs
        under_test = [jobs[PluginId(each)] for each in self.joined.subjects]
        if plugin_id:
            under_test = [job for job in under_test if fold_id(job.plugin_id) == fold_id(plugin_id)]
        if len(under_test) == 1:
            return under_test[0]
        raise NotFoundError(
            f"no plugin of this test has the id {plugin_id!r}" if plugin_id else "which plugin?",
            where="PluginHost.run",
            remedy=f"Name one of {', '.join(sorted(self.joined.subjects))}",
        )

    async def _told(self, row: RunRow) -> TestRun:
        """Give a run as a test sees it."""
        made = self.joined.worker.made.get(row.run_id)
        ledger = self.joined.store.ledger
        failure = row.failure
        return TestRun(
            run_id=row.run_id,
            plugin_id=row.key.plugin_id,
            due=row.key.due,
            status=row.status.value,
            reason=str(row.reason) if row.reason else "",
            result=made.result if made else None,
            returned=made.returned if made else False,
            outputs={name: decode_value(value) for name, value in row.outputs.items()},
            writes={name: decode_value(value) for name, value in _writes(made).items()},
            events=[
                BusEvent(event.name, decode_value(event.data), event.source)
                for event in await ledger.events(row.run_id)
            ],
            statements=[
                (one.sql, decode_value(one.params)) for one in await ledger.writes(row.run_id)
            ],
            rows=await self._rows(row.run_id),
            inputs=dict(row.inputs),
            missing=made.missing if made else (),
            undeclared=tuple(made.outcome.undeclared) if made else (),
            no_data=made.no_data if made else (),
            waits=made.waits if made else 0,
            deaf=made.deaf if made else False,
            attempts=row.attempts,
            error=f"{failure.type}: {failure.message}" if failure else "",
            traceback=failure.traceback if failure else "",
            log=made.outcome.log.decode("utf-8", "replace") if made else "",
        )

    async def _rows(self, run_id: str) -> dict[str, list[dict[str, Any]]]:
        """Give the rows of the shared tables that one run made."""
        found: dict[str, list[dict[str, Any]]] = {}
        for table in sorted(SHARED):
            sql = f"SELECT * FROM {table} WHERE run_id = ?"  # noqa: S608 - one of three
            rows = await self.query(sql, (run_id,))
            if rows:
                found[table] = rows
        return found


def _writes(made: Made | None) -> Mapping[str, bytes]:
    return made.outcome.writes if made else {}
