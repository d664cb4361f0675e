"""The service: one home, one ledger, one engine, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from optifire.app.alerting import Alerting
from optifire.app.backfilling import Backfilling, grounds_of
from optifire.app.backing import Backing
from optifire.app.belated import Belated
from optifire.app.inlining import demotion_note
from optifire.app.joining import Catalogs, Configuration, read_configuration
from optifire.app.jumping import Jumping
from optifire.app.living import living_in
from optifire.app.metrics import Metrics
from optifire.app.pausing import Pausing
from optifire.app.progress import Moves, Progress
from optifire.app.pruning import Pruning
from optifire.app.restarting import Restarts
from optifire.app.status import (
    BY_HAND,
    RunBoard,
    context_of,
    horizon_trouble,
    manual_note,
    next_of,
    plugins_of,
)
from optifire.app.switches import switch_notes
from optifire.app.vitals import AGE, Health, Vitals
from optifire.core.errors import OptifireError
from optifire.core.ledger import Batch, ConfigVersion, RunRow
from optifire.host.authors import BY_FILE, authors_of
from optifire.host.catalog import Catalog, difference
from optifire.host.reload import check_change, watched
from optifire.ops.health import Level
from optifire.ops.meter import Meter
from optifire.runtime.clock import monotonic, real_pause, wall_now
from optifire.runtime.engine import NO_ROOMS, Engine
from optifire.runtime.pauses import Pauses
from optifire.store.codec import iso
from optifire.workers.sandbox import offered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from optifire.app.placing import Placing
    from optifire.host.home import Home
    from optifire.runtime.bus import CommitBus
    from optifire.runtime.recorder import LiveRecorder
    from optifire.runtime.standings import Standings
    from optifire.runtime.supervisor import Work

log = logging.getLogger("optifire.service")

#: Seconds that the cycles in flight have after a stop.
DRAIN_SECONDS = 10.0
#: Seconds that a cancelled run has to end while who cancelled it waits.
CANCEL_SECONDS = 5.0
#: Seconds for which a sample of what the service uses is shown again to who asks.
SAMPLE_AGE = 1.0


class Service:
    """A running home: `optifire.app.opening.open_service` makes one, `run` goes on until `stop`."""

    def __init__(  # noqa: PLR0913 - the parts of a service, each made elsewhere
        self,
        home: Home,
        configuration: Configuration,
        catalogs: Catalogs,
        catalog: Catalog,
        engine: Engine,
        *,
        recorder: LiveRecorder,
        bus: CommitBus,
        runs: RunBoard,
        placing: Placing,
        recorded: bool,
        crashes: list[str],
    ) -> None:
        self.home = home
        self.environment = configuration.features.environment.value
        self.catalog = catalog
        self.engine = engine
        self.recorded = recorded
        self.configuration = configuration
        self._accepted = wall_now()
        self._restarts = Restarts(configuration.settings)
        self._layers = offered()
        self.catalogs = catalogs
        self._recorder = recorder
        self.bus = bus
        self.runs = runs
        self.placing = placing
        self._reloading = asyncio.Lock()
        self._refused: OptifireError | None = None
        self._crashes, self._state = crashes, "starting"
        #: Whether the parts that everything hangs on go on.
        self.progress = Progress({})
        self.moves = Moves()
        #: Are told each configuration that is taken over.
        self.followers: list[Callable[[Configuration], None]] = []
        ledger = home.database(self.environment)
        self.pruning = Pruning(ledger, recorder.intend, monotonic, real_pause)
        clock = engine.rooms.clock
        self.belated = Belated(recorder.intend, clock.pause)
        self.jumping = Jumping(clock, engine.planner, recorder.intend)
        self.backing = Backing(home, self.environment, lambda: self.configuration.settings)
        self.pausing = Pausing(
            engine.rooms.pauses or Pauses(),
            recorder,
            lambda: self.catalog,
            clock.now,
            lambda: self.living.after(engine.streams.refresh),
        )
        pauses, troubles = self.pausing.pauses, placing.residing.troubles
        self.living = living_in(engine.rooms, lambda: self.catalog, pauses, troubles)
        grounds = grounds_of(home, ledger, recorder, engine.rooms)
        self.backfilling = Backfilling(grounds, lambda: self.catalog, self.backing.settings)
        self._meter = Meter(os.getpid(), home.data, monotonic)
        self.vitals = Vitals(self._meter, monotonic, lambda: engine.rooms.slots.most_mb)
        self.metrics = Metrics(engine, placing, self.vitals, self.health, self.environment, ledger)
        self.alerting = Alerting(self, recorder.intend)
        for each in (self.living, self.vitals.missed, self.metrics.runs, self.alerting):
            bus.listen(each.listen)

    async def run(self, rooms: Mapping[str, Work] = NO_ROOMS) -> None:
        """Run until `stop`; then wait for what is in flight, cancel the rest, and return.

        ``rooms`` is what goes on beside the schedule (see `optifire.app.rooms`).
        """
        self._state = "running"
        cancelled = await self.engine.run(grace=DRAIN_SECONDS, rooms=rooms)
        self._state = "stopped"
        if cancelled:
            log.warning("%d cycles were cancelled after %g s", cancelled, DRAIN_SECONDS)

    def stop(self) -> None:
        """Start nothing more and drain."""
        self._state = "stopping"
        self.moves.tell("stopping")
        self.engine.stop()

    async def run_now(self, plugin_id: str, *, why: str, force: bool = False) -> RunRow:
        """Run one plugin now, recorded as manual, and give its row when it has ended.

        Raises
        ------
        NotFoundError
            No such plugin, or it is not switched on.
        """
        listed = self.catalog.find(plugin_id)
        reason = why or BY_HAND
        run_id = self.engine.fire(listed.plugin_id, force=reason if force else "")
        ended = self.bus.ended(run_id)
        note = manual_note(run_id, reason, wall_now(), forced=force)
        await self._recorder.write(Batch(notes=[note]))
        return await ended

    async def cancel(self, run_id: str, why: str) -> bool:
        """End a run in progress, and wait a little for its end; False when none of this id is."""
        if not self.engine.cancel(run_id, why or BY_HAND):
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await self.bus.ended(run_id)
        return True

    async def reload(
        self, author: str = BY_FILE, edit: Callable[[], object] | None = None
    ) -> dict[str, Any]:
        """Read configuration and plugins again and go over to them between two ticks.

        What cannot be read keeps the last good state; health is red until it can. ``edit`` changes
        files first, in a thread, for its author; without it, who changed a file is told by that
        file, and ``author`` is who asks where nobody changed any. A ledger that refuses keeps
        nobody from it: ``unwritten`` then says why what has changed is not written down yet.
        """
        async with self._reloading, self.moves.reloading(lambda: self._state):
            if edit is not None:
                await asyncio.to_thread(edit)
            try:
                configuration = read_configuration(self.home)
                catalog = await self.catalogs.build(configuration, self.catalog)
                old = self.configuration.features
                check_change(self.catalog, catalog, old, configuration.features)
            except OptifireError as error:
                self._refused = error
                log.error("the configuration is not taken over: %s", error)  # noqa: TRY400
                return {"ok": False, "changed": [], "errors": [str(error)], "unwritten": None}
            self._refused = None
            await self.catalogs.calendars.follow(configuration.settings)
            if edit is None:
                before, after = self.configuration.texts, configuration.texts
                author = authors_of(self.home, before, after, self._accepted) or author
            return await self._go_over(configuration, catalog, author)

    async def _go_over(
        self, configuration: Configuration, catalog: Catalog, author: str
    ) -> dict[str, Any]:
        """Swap the catalog in and write down what changed, in one transaction, now or later."""
        change = difference(self.catalog, catalog)
        now = self.engine.rooms.clock.now()
        batch = Batch(notes=switch_notes(change.started, change.stopped, now, author))
        if configuration.version != self.configuration.version:
            version = ConfigVersion(configuration.version, wall_now(), author, configuration.texts)
            batch.configs.append(version)
            self._accepted = version.at
        anew = configuration.of_features != self.configuration.of_features
        self.catalog, self.configuration = catalog, configuration
        for follower in self.followers:
            follower(configuration)
        batch.notes += self._standings.adopt(catalog.jobs, now)
        batch.notes += self._restarts.adopt(configuration.settings, now)
        if anew:
            self.placing.inline.demotions.forget()
        if anew or change:
            self.engine.swap(self.placing.program(catalog))
        unwritten = await self.belated.add(batch)
        changed = [*change.started, *change.stopped, *change.changed]
        log.info("configuration %s: %s", configuration.version, ", ".join(changed) or "no change")
        errors = [str(finding) for finding in catalog.errors]
        return {
            "ok": not errors,
            "changed": changed,
            "errors": errors,
            "restart": self._restarts.sentences(),
            "unwritten": unwritten,
        }

    @property
    def _standings(self) -> Standings:
        standings = self.engine.rooms.standings
        assert standings is not None  # noqa: S101 - given by `open_service`
        return standings

    async def demote(self) -> None:
        """Wait until an inline plugin is demoted, go over to that and write it down."""
        found = await self.placing.inline.demotions.next()
        note = demotion_note(found, self.engine.rooms.clock.now())
        log.warning("%s", note.text)
        async with self._reloading:
            self.engine.swap(self.placing.program(self.catalog))
        await self.belated.add(Batch(notes=[note]))

    async def status(self) -> dict[str, Any]:
        """Give the service's state, as JSON can say it."""
        now = self.engine.rooms.clock.now()
        finished = self.recorded and self.engine.finished
        return {
            "state": self.state,
            "environment": self.environment,
            "recorded": self.recorded,
            "now": iso(now),
            "health": self.health().as_json(),
            "restart": self._restarts.sentences(),
            "running": self.runs.running(),
            "next": [] if finished else next_of(self.engine, now),
            "plugins": plugins_of(
                self.catalog, self.runs, self.placing, self._standings.held, self.pausing.pauses
            ),
            "layers": list(self._layers),
            "usage": self._meter.recent(SAMPLE_AGE).plain(),
            "processes": self.placing.processes(),
            "context": context_of(self.engine.rooms.board.snapshot()),
            "market": {
                "calendar": self.configuration.settings.market.calendar,
                "tz": self.configuration.settings.market.tz,
            },
        }

    def watched(self) -> Sequence[Path]:
        """Give the folders whose files matter: configuration and plugins."""
        return watched(self.home, self.configuration.features, self.catalog)

    def headline(self) -> str:
        """Give one line of how the service is, for systemd."""
        health = self.health().as_json()
        reasons = f": {health['reasons'][0]}" if health["reasons"] else ""
        now = iso(self.engine.rooms.clock.now())
        count = len(self.catalog.jobs)
        return f"{self.environment}, {now}, {count} plugins on, {health['level']}{reasons}"

    @property
    def state(self) -> str:
        """Whether it is starting, running, finished (a demo, after its last day) or stopping."""
        finished = self.recorded and self.engine.finished
        return "finished" if finished and self._state == "running" else self._state

    async def report(self) -> dict[str, Any]:
        """Give how it is, looked at now: liveness, readiness, and every check with its reasons."""
        return {"environment": self.environment, **self.health(age=0.0).report(self.state)}

    def health(self, *, age: float = AGE) -> Health:
        """Give what is not well, with reasons; what takes a while may be so many seconds old."""
        health = Health()
        health.add("parts", Level.RED, [*self._crashes, *self.progress.stuck])
        if self._refused is not None:
            refused = f"configuration not taken over: {self._refused}"
            health.add("configuration", Level.RED, [refused])
        health.add("configuration", Level.AMBER, self._restarts.sentences())
        if self._recorder.trouble is not None:
            trouble = f"the ledger cannot be written: {self._recorder.trouble}"
            health.add("ledger", Level.RED, [trouble])
        health.add("ledger", Level.RED, self.belated.sentences())
        missing, lesser = self.placing.isolated.zygotes.troubles()
        health.add("zygotes", Level.RED, missing)
        health.add("zygotes", Level.AMBER, lesser)
        calendars = self.catalogs.calendars
        health.add("calendars", Level.RED, horizon_trouble(calendars.loaded, wall_now()))
        stays = [] if calendars.trouble is None else [f"as it was: {calendars.trouble}"]
        health.add("calendars", Level.AMBER, stays)
        health.add("plugins", Level.AMBER, map(str, self.catalog.errors))
        stale = (f"{one.plugin_id}: {one.stale}" for one in self.catalog.stale)
        health.add("plugins", Level.AMBER, stale)
        degraded = [self.catalog.degraded] if self.catalog.degraded else []
        health.add("placement", Level.AMBER, degraded)
        health.add("placement", Level.AMBER, self.placing.sentences())
        health.add("quarantine", Level.AMBER, self._standings.sentences())
        health.add("pauses", Level.AMBER, self.pausing.pauses.sentences())
        backup = Level.RED if self.backing.is_damaged() else Level.AMBER
        health.add("backup", backup, self.backing.sentences())
        health.add("alerts", Level.AMBER, self.alerting.sentences())
        health.signs += self.jumping.signs()
        health.signs += self.vitals.signs(self.engine, self.runs.busy(), age=age)
        return health
