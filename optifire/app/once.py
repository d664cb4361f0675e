"""One run by hand, without a service: in this process tree, against a ledger."""

from __future__ import annotations

import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from optifire.app.joining import Catalogs, is_recorded, read_configuration
from optifire.app.opening import live_clock
from optifire.app.residing import Residing
from optifire.app.speaking import secrets_of
from optifire.app.status import BY_HAND, manual_note
from optifire.app.working import worker_settings
from optifire.core.errors import NotFoundError, StateError
from optifire.core.held import Holds
from optifire.core.job import Placement
from optifire.core.ledger import Batch
from optifire.ops.masking import Masker
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.bus import CommitBus
from optifire.runtime.clock import SystemClock, VirtualClock, wall_now
from optifire.runtime.engine import Engine, Pace, Program, Rooms
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.runner import Runner
from optifire.runtime.slots import Slots
from optifire.store.sqlite import SqliteStore
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker
from optifire.workers.kept import in_files
from optifire.workers.sandbox import missing, offered

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.core.ledger import RunRow
    from optifire.core.ports import Clock, Worker
    from optifire.host.catalog import Catalog
    from optifire.host.home import Home


async def run_once(
    home: Home, plugin_id: str, *, at: datetime | None, db: Path | None, why: str = BY_HAND
) -> RunRow:
    """Run one plugin now, or as of an instant, with what it needs run first; give its row.

    With `at`, feed and context stand at that instant and the ledger is thrown away unless `db`
    names a file; without, the run is recorded as manual in the home's ledger, at the present: the
    wall clock's, or the instant that the demo has come to. ``why`` is recorded with it.

    Raises
    ------
    OptifireError
        The configuration, the ledger or the plugin is at fault.
    """
    async with AsyncExitStack() as resources:
        configuration = read_configuration(home)
        if db is None and at is not None:
            folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="optifire-"))
            db = Path(folder) / "once.db"
        path = db or home.database(configuration.features.environment.value)
        store = SqliteStore(path, clock=wall_now)
        recovered = await store.open()
        resources.push_async_callback(store.close, clean=recovered.clean)
        isolated = IsolatedWorker(
            worker_settings(home, configuration.settings, replay=at is not None)
        )
        resources.push_async_callback(isolated.stop)
        await isolated.start()
        layers = offered()
        catalogs = Catalogs(home, isolated, missing(layers))
        catalog = await catalogs.build(configuration)
        _require(catalog, plugin_id, at)
        market = await catalogs.calendars.market(configuration.settings)
        if at is not None:
            market.sessions(at.date(), at.date())  # raises where nobody knows what the market did
        clock: Clock
        if at is None:
            settings, environment = configuration.settings, configuration.features.environment
            clock = live_clock(settings, market, recovered, 0.0, recorded=is_recorded(environment))
        else:
            clock = VirtualClock(at)
        if isinstance(clock, SystemClock):
            resources.callback(clock.stop)
        bus, board = CommitBus(), Blackboard(in_files(recovered.values))
        mask = Masker(secrets_of(configuration))
        recorder = LiveRecorder(store, board, clock, bus.tell, mask)
        resident = Residing(isolated, recorder, clock).worker
        resources.push_async_callback(resident.stop)
        workers: dict[Placement, Worker] = {
            Placement.ISOLATED: isolated,
            Placement.INLINE: InlineWorker(home.data),
            Placement.RESIDENT: isolated if at is not None else resident,
        }
        rooms = Rooms(
            clock,
            recorder,
            Runner(workers, clock, Holds(layers).of),
            board,
            Slots(configuration.settings.system.concurrency_on(os.cpu_count() or 1)),
        )
        return await _fire(catalog, rooms, plugin_id, bus, why)


async def _fire(catalog: Catalog, rooms: Rooms, plugin_id: str, bus: CommitBus, why: str) -> RunRow:
    """Run an engine for one manual firing."""
    crashes: list[BaseException] = []
    now = rooms.clock.now()
    engine = Engine(
        Program(catalog.jobs, catalog.graph),
        rooms,
        Pace(in_step=True, until=now),
        start=now,
        since={},
        report=lambda _, error: crashes.append(error),
    )
    run_id = engine.fire(catalog.find(plugin_id).plugin_id)
    ended = bus.ended(run_id)
    await rooms.recorder.write(Batch(notes=[manual_note(run_id, why, wall_now())]))
    await engine.run()
    if crashes:
        raise crashes[0]
    return await ended


def _require(catalog: Catalog, plugin_id: str, at: datetime | None) -> None:
    """Raise unless the plugin is there, switched on, not at fault, and can be run then."""
    listed = catalog.find(plugin_id)
    if listed.error is not None:
        raise listed.error
    if listed.plugin_id not in catalog.jobs:
        raise NotFoundError(
            "is switched off",
            where=plugin_id,
            remedy=f"Run `optifire plugins enable {listed.plugin_id}` first",
        )
    hooks = catalog.jobs[listed.plugin_id].hooks
    if at is not None and hooks:
        raise StateError(
            f"{listed.plugin_id} lives from start to stop (it has {hooks[0]}()) and cannot be run "
            "as of an instant",
            where="--at",
            remedy="Run it as of now, or test what it computes without its hooks",
        )
