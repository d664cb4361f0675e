"""What goes on beside the schedule: watching files, refreshing calendars, the watchdog."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.app.backing import LOOK
from optifire.app.quiet import is_quiet
from optifire.app.warming import keep_warm
from optifire.app.watchdog import keep_watchdog
from optifire.core.errors import OptifireError
from optifire.host.watch import changes
from optifire.ops.kernel import trim_heap
from optifire.runtime.clock import monotonic, real_pause, wall_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.app.service import Service
    from optifire.ops.signs import LoopLag
    from optifire.runtime.supervisor import Work

log = logging.getLogger("optifire.service")

#: Seconds after the start before a calendar child is begun, so that it delays no first run.
CALENDAR_DELAY = 20.0
#: Seconds between two looks at how far the session tables reach.
CALENDAR_PERIOD = 86400.0
#: A table built longer ago than this is built anew.
TABLE_AGE = timedelta(days=7)
#: Seconds after the start, and then between two looks at what retention no longer keeps.
PRUNING_DELAY, PRUNING_PERIOD = 120.0, 3600.0
#: Seconds between two samples of what the service uses while nobody asks; who does, gets a new one.
METER_PERIOD = 10.0
#: Seconds between two looks at how late the event loop is.
LAG_PERIOD = 1.0
#: Seconds between two looks at the clocks.
JUMP_PERIOD = 1.0


def rooms_of(service: Service) -> Mapping[str, Work]:
    """Give everything that a service does beside its schedule, by name."""
    return {
        "watch of the files": lambda: watch_files(service),
        "calendar refresh": lambda: refresh_calendars(service),
        "meter": lambda: keep_metering(service),
        "system clock": lambda: keep_clock(service),
        "event loop": lambda: keep_timing(service.vitals.lag),
        "belated rows": service.belated.run,
        "inline plugins": lambda: keep_demoting(service),
        "zygotes": lambda: keep_zygotes(service),
        "lives of plugins": service.living.run,
        "residents": service.placing.residing.run,
        "daily backup": lambda: keep_backing_up(service),
        "alerts": service.alerting.run,
        "retention": lambda: keep_pruning(service),
        "watchdog": lambda: keep_watchdog(service),
    }


async def watch_files(service: Service) -> None:
    """Reload whenever a file of the configuration or of a plugin changes."""
    async for found in changes(service.watched):
        names = ", ".join(sorted(path.name for path in found)) or "files"
        log.debug("%s changed", names)
        await service.reload()


async def refresh_calendars(service: Service) -> None:
    """Build session tables anew, each in a short-lived child, and go over to them."""
    await real_pause(CALENDAR_DELAY)
    while True:
        for code in sorted(service.catalogs.calendars.loaded):
            await refresh_old(code, service)
        await real_pause(CALENDAR_PERIOD)


async def refresh_old(code: str, service: Service) -> None:
    """Build a table that is old; without a new one the one in use stays."""
    calendars = service.catalogs.calendars
    try:
        if not calendars.is_old(code, wall_now(), TABLE_AGE):
            return
        await calendars.refresh(code, wall_now().date())
    except OptifireError as error:
        log.warning("the session table in use stays: %s", error)
    else:
        await service.reload("calendar refresh")


async def keep_metering(service: Service) -> None:
    """Sample what the service uses, so that the first who asks is told rates; use no more."""
    while True:
        service.vitals.meter.sample()
        await real_pause(METER_PERIOD)
        trim_heap()


async def keep_timing(lag: LoopLag) -> None:
    """Note by how much the event loop is late, once a second."""
    while True:
        before = monotonic()
        await real_pause(LAG_PERIOD)
        lag.note(monotonic() - before - LAG_PERIOD)


async def keep_clock(service: Service) -> None:
    """Look once a second whether the system clock has jumped, or the machine has slept."""
    while True:
        await real_pause(JUMP_PERIOD)
        await service.jumping.look()


async def keep_demoting(service: Service) -> None:
    """Have inline plugins that keep the service from its work run isolated."""
    while True:
        await service.demote()


async def keep_zygotes(service: Service) -> None:
    """Have zygotes stand when runs need them; the demo's clock jumps, and they stay up in it."""
    if not service.recorded:
        await keep_warm(service.engine, service.placing.isolated)


async def keep_backing_up(service: Service) -> None:
    """Copy the ledger once a day; that of recorded data can be played again at any time."""
    await real_pause(LOOK)
    while True:
        wait, settings = LOOK, service.backing.settings()
        if settings.backup.daily and not service.recorded:
            wait = await service.backing.daily(service.catalogs.calendars.in_use)
        await real_pause(wait)


async def keep_pruning(service: Service) -> None:
    """Remove what retention no longer keeps, in slices that nobody notices."""
    await real_pause(PRUNING_DELAY)
    while True:
        await prune(service)
        await real_pause(PRUNING_PERIOD)


async def prune(service: Service) -> None:
    """Remove what has had its time, unless a clock that was set by days says so."""
    await service.jumping.look()  # the last one may be from just before it was set
    if service.jumping.is_doubtful():
        return
    market = service.catalogs.calendars.in_use
    now = service.engine.rooms.clock.now()
    quiet = service.recorded or market.always_open or is_quiet(market, now)
    await service.pruning.go(service.backing.settings().retention, now, quiet=quiet)
