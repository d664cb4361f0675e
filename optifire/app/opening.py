"""Opens a home as a service: ledger, workers, catalog, engine, and what was in flight."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, TextIO
from zoneinfo import ZoneInfo

from optifire.app.alarms import START, UNCLEAN
from optifire.app.alert_memory import ALERTS
from optifire.app.holding import advised, discard, refuse_second
from optifire.app.holidays import Holidays
from optifire.app.inlining import Inline
from optifire.app.joining import Catalogs, Configuration, is_recorded, read_configuration
from optifire.app.past import Past, read_past
from optifire.app.placing import Placing
from optifire.app.progress import Echo, Progress, Sign, schedule_sign
from optifire.app.quarantining import tell
from optifire.app.residing import Residing
from optifire.app.room import room_of
from optifire.app.service import Service
from optifire.app.speaking import begin_logs, follow, tell_ends
from optifire.app.switches import author_since, switch_notes
from optifire.app.working import worker_settings
from optifire.core.calendar import Calendar
from optifire.core.errors import ConfigError, DamagedError
from optifire.core.held import Holds
from optifire.core.ledger import Batch, ConfigVersion, NoteRow, Recovered
from optifire.core.ports import Clock
from optifire.host.catalog import Catalog
from optifire.host.home import Home
from optifire.ops.leaves import open_leaves
from optifire.ops.logs import Logs
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.bus import CommitBus
from optifire.runtime.clock import PacedClock, SystemClock, monotonic, wall_now
from optifire.runtime.engine import Engine, Pace, Rooms
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.recovery import recover
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.runtime.timer import ApsTimer
from optifire.runtime.tuning import settle
from optifire.store.sqlite import SqliteStore
from optifire.workers.isolated import IsolatedWorker
from optifire.workers.kept import in_files
from optifire.workers.remains import end_remains
from optifire.workers.sandbox import missing, offered
from optifire.workers.sealed import held_bytes
from optifire.workers.statm import in_memory_files

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from optifire.core.settings import Settings
    from optifire.core.types import PluginId

log = logging.getLogger("optifire.service")

_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a command line says over the configuration.

    `console` is where log lines go beside ``data/optifire.log``; None while a screen is drawn.
    """

    pace: float | None = None
    fresh: bool = False
    console: TextIO | None = None


async def open_service(home: Home, overrides: Overrides, resources: AsyncExitStack) -> Service:
    """Open a home; everything opened is closed with `resources`.

    Raises
    ------
    ConfigError
        With file, line and key.
    LockedError
        Another service holds the ledger.
    StoreError
        The ledger cannot be used.
    """
    configuration = read_configuration(home)
    environment = configuration.features.environment
    path = home.database(environment.value)
    home.data.mkdir(parents=True, exist_ok=True)
    refuse_second(home, path)
    logs = begin_logs(home, configuration, overrides.console)
    resources.callback(logs.close)
    if overrides.fresh:
        discard(path)
    store = SqliteStore(path, clock=wall_now)
    try:
        recovered = await store.open()
    except DamagedError as error:
        raise advised(error, home, environment.value) from error
    resources.push_async_callback(store.close)
    inline = await Inline.open(home, resources)
    groups = open_leaves()
    if groups is not None:
        resources.callback(groups.close)
    noted = path.with_suffix(".zygotes")
    if left := end_remains(noted):
        log.warning("runs of the service before had left processes, now ended: %d", left)
    workers = replace(worker_settings(home, configuration.settings), noted=noted)
    isolated = IsolatedWorker(workers, groups=groups)
    resources.push_async_callback(isolated.stop)
    await isolated.start()
    layers = offered()
    catalogs = Catalogs(home, isolated, missing(layers))
    catalog = await catalogs.build(configuration)
    market = await catalogs.calendars.market(configuration.settings)
    recorded = is_recorded(environment)
    clock = live_clock(configuration.settings, market, recovered, overrides.pace, recorded=recorded)
    if isinstance(clock, SystemClock):
        resources.callback(clock.stop)
    opening = _Opening(
        home,
        configuration,
        catalogs,
        catalog,
        store,
        recovered,
        clock,
        market,
        inline,
        isolated,
        Holds(layers, group=groups is not None),
        logs,
    )
    service = await opening.service(recorded=recorded)
    resources.push_async_callback(
        lambda: service.placing.residing.stop(service.catalog.graph.order)
    )
    service.followers.append(lambda accepted: follow(logs, accepted))
    settle()
    return service


@dataclass(slots=True)
class _Opening:
    """The parts that a service is made of, while it is being made."""

    home: Home
    configuration: Configuration
    catalogs: Catalogs
    catalog: Catalog
    store: SqliteStore
    recovered: Recovered
    clock: Clock
    market: Calendar
    inline: Inline
    isolated: IsolatedWorker
    holds: Holds
    logs: Logs

    async def service(self, *, recorded: bool) -> Service:
        """Make engine and service, and take up what was in flight."""
        bus, board = CommitBus(), Blackboard(in_files(self.recovered.values))
        recorder = LiveRecorder(self.store, board, self.clock, bus.tell, self.logs.masker)
        now = self.clock.now()
        past = await read_past(self.store.path, self.catalog.jobs, self._settings.system, now)
        residing = Residing(self.isolated, recorder, self.clock, past.pauses, past.standings)
        placing = Placing(self.inline, self.isolated, residing)
        rooms = Rooms(
            self.clock,
            recorder,
            Runner(placing.workers, self.clock, self.holds.of),
            board,
            self._slots(placing),
            tell=residing.tell,
            standings=past.standings,
            pauses=past.pauses,
        )
        bus.listen(past.runs.listen)
        bus.listen(self.inline.demotions.listen)
        bus.listen(tell)
        bus.listen(tell_ends)
        bus.listen(residing.listen)
        crashes: list[str] = []
        engine = Engine(
            placing.program(self.catalog),
            rooms,
            self._pace(recorded=recorded),
            start=now,
            since=self._since(past.started),
            report=lambda name, error: crashes.append(f"{name} crashed: {error!r}"),
            notes=Holidays(lambda: self.catalogs.calendars.loaded, (past.holiday or now).date()),
        )
        service = Service(
            self.home,
            self.configuration,
            self.catalogs,
            self.catalog,
            engine,
            recorder=recorder,
            bus=bus,
            runs=past.runs,
            placing=placing,
            recorded=recorded,
            crashes=crashes,
        )
        service.living.lives = past.lives
        service.vitals.missed.see(past.missed)
        service.alerting.remember(past.unclean, self.recovered.meta.get(ALERTS, ""))
        signs: dict[str, Sign] = {
            "the writer of the ledger": Echo(self.store.ping),
            "the schedule": partial(schedule_sign, engine, recorder),
        }
        service.progress = Progress(signs)
        recovery = recover(self.recovered, self.catalog.jobs, now)
        recovery.batch.extend(self._first_rows(past, now))
        recovery.batch.notes += past.standings.adopt(self.catalog.jobs, now)
        await recorder.write(recovery.batch)
        engine.take_up(recovery.firings, self.recovered.waiting_events)
        return service

    def _slots(self, placing: Placing) -> Slots:
        """Give the slots of this machine: by its cores, and by its memory."""
        system = self._settings.system
        room = room_of(
            system,
            lambda: [os.getpid(), *placing.pids()],
            monotonic,
            placing.spare_pids,
            lambda: held_bytes() - in_memory_files(),  # pages looked at are this process's, too
        )
        return Slots(system.concurrency_on(os.cpu_count() or 1), room)

    @property
    def _settings(self) -> Settings:
        return self.configuration.settings

    def _since(self, started: list[PluginId]) -> dict[PluginId, datetime]:
        """Give how far each job is accounted for; what was off meanwhile begins now."""
        fresh = set(started)
        return {
            each: cursor for each, cursor in self.recovered.cursors.items() if each not in fresh
        }

    def _pace(self, *, recorded: bool) -> Pace:
        if not recorded:
            return Pace()
        _, until = demo_bounds(self._settings, self.market)
        return Pace(in_step=True, until=until, jumping=True, stay=True)

    def _first_rows(self, past: Past, now: datetime) -> Batch:
        """Give what a start writes down: switches, and the configuration it began with."""
        configuration = self.configuration
        author = author_since(self.home, past.configured, configuration.texts)
        version = ConfigVersion(configuration.version, wall_now(), author, configuration.texts)
        notes = switch_notes(past.started, past.stopped, now, author)
        notes.append(NoteRow(now, START, str(self.recovered.start), _how(self.recovered)))
        return Batch(notes=notes, configs=[version])


def _how(recovered: Recovered) -> str:
    """Say how the start before this one ended."""
    if recovered.start == 1:
        return "first start"
    return "after a clean stop" if recovered.clean else UNCLEAN


def demo_bounds(settings: Settings, market: Calendar) -> tuple[datetime, datetime]:
    """Give the instants just before the demo's first day and at the end of its last one.

    Raises
    ------
    ConfigError
        The calendar's table does not cover these days.
    """
    demo, zone = settings.demo, ZoneInfo(market.tz)
    for key, day in (("demo.from", demo.first), ("demo.to", demo.last)):
        if not market.first <= day <= market.horizon:
            raise ConfigError(
                f"{day} is outside the table of {market.name} ({market.first} to {market.horizon})",
                where=f"{key} of config.yaml",
                remedy="Choose days inside the table",
            )
    first = datetime.combine(demo.first, time(), zone).astimezone(UTC) - _JUST_BEFORE
    after = demo.last + timedelta(days=1)
    return first, datetime.combine(after, time(), zone).astimezone(UTC) - _JUST_BEFORE


def live_clock(
    settings: Settings,
    market: Calendar,
    recovered: Recovered,
    pace: float | None,
    *,
    recorded: bool,
) -> Clock:
    """Give the wall clock, or the demo's at the instant that the ledger has come to."""
    if not recorded:
        return SystemClock(ApsTimer())
    first, _ = demo_bounds(settings, market)
    reached = max(recovered.cursors.values(), default=first)
    return PacedClock(max(first, reached), settings.demo.pace if pace is None else pace)
