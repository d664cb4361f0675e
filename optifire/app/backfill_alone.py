"""Backfills without a service: in this process tree, under the lock of the home's ledger."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from optifire.app.backfilling import Backfilling, Grounds
from optifire.app.joining import Catalogs, is_recorded, read_configuration
from optifire.app.opening import live_clock
from optifire.app.speaking import secrets_of
from optifire.app.working import worker_settings
from optifire.ops.masking import Masker
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import SystemClock, wall_now
from optifire.runtime.recorder import LiveRecorder
from optifire.runtime.slots import Slots
from optifire.store.sqlite import SqliteStore
from optifire.workers.isolated import IsolatedWorker
from optifire.workers.kept import in_files
from optifire.workers.sandbox import missing, offered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from optifire.host.home import Home


@asynccontextmanager
async def backfilling_alone(home: Home) -> AsyncIterator[Backfilling]:
    """Give what makes backfills while no service holds the home's ledger.

    What a service left in flight stays as it is, for the next start to take up.

    Raises
    ------
    ConfigError
        With file, line and key.
    LockedError, StoreError
        Another process writes the ledger, or nobody can.
    """
    configuration = read_configuration(home)
    settings, environment = configuration.settings, configuration.features.environment
    home.data.mkdir(parents=True, exist_ok=True)
    path = home.database(environment.value)
    async with AsyncExitStack() as resources:
        store = SqliteStore(path, clock=wall_now)
        recovered = await store.open()
        resources.push_async_callback(store.close, clean=recovered.clean)
        describer = IsolatedWorker(worker_settings(home, settings))
        resources.push_async_callback(describer.stop)
        await describer.start()
        catalogs = Catalogs(home, describer, missing(offered()))
        catalog = await catalogs.build(configuration)
        market = await catalogs.calendars.market(settings)
        clock = live_clock(settings, market, recovered, 0.0, recorded=is_recorded(environment))
        if isinstance(clock, SystemClock):
            resources.callback(clock.stop)
        board = Blackboard(in_files(recovered.values))
        mask = Masker(secrets_of(configuration))
        recorder = LiveRecorder(store, board, clock, mask=mask)
        slots = Slots(settings.system.concurrency_on(os.cpu_count() or 1))
        rooms = Grounds(home, path, recorder, board, slots, clock)
        yield Backfilling(rooms, lambda: catalog, lambda: settings)
