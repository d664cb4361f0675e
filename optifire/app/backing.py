"""The backups that a running service makes: when asked, and by itself once a day."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from optifire.app.backups import BackupMaker, backups_of, kept, made_at
from optifire.app.quiet import is_quiet
from optifire.core.errors import DamagedError, OptifireError
from optifire.runtime.clock import wall_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from optifire.core.calendar import Calendar
    from optifire.core.settings import Settings
    from optifire.host.home import Home

log = logging.getLogger("optifire.service")

#: Seconds between two looks at whether a backup is due, and after one that failed.
LOOK: Final = 300.0
AGAIN: Final = 3600.0
#: A backup this old is replaced at once, quiet or not.
OVERDUE: Final = timedelta(hours=36)
#: How often a market that never closes is taken down.
ALWAYS_OPEN: Final = timedelta(hours=24)


def is_due(last: datetime | None, now: datetime, market: Calendar) -> bool:
    """Tell whether the daily backup is due: one a day of the market, at its first quiet moment."""
    age = OVERDUE if last is None else now - last
    if market.always_open:
        return age >= ALWAYS_OPEN
    zone = ZoneInfo(market.tz)
    today = last is not None and last.astimezone(zone).date() == now.astimezone(zone).date()
    if is_quiet(market, now):
        return not today
    return last is not None and age >= OVERDUE


class Backing:
    """Makes backups beside the schedule, and remembers what went wrong with the daily one.

    Parameters
    ----------
    home, environment
        Whose ledger.
    settings
        Gives the settings as they stand in config.yaml.
    """

    def __init__(self, home: Home, environment: str, settings: Callable[[], Settings]) -> None:
        self.settings = settings
        self._home = home
        self._environment = environment
        self._trouble: OptifireError | None = None

    async def backup(self, into: str = "") -> dict[str, Any]:
        """Copy the ledger while it is written, into a folder or (with "") the home's own.

        What `BackupMaker.make` raises comes out. A caller that is cancelled ends it at the next
        page.
        """
        maker = BackupMaker(self._home, self._environment, self.settings().backup.keep)
        folder = Path(into) if into else None
        stop = threading.Event()
        try:
            made = await asyncio.to_thread(maker.make, wall_now(), stop, into=folder)
        finally:
            stop.set()
        log.info("backup %s: %d files", made.folder, len(made.manifest.files))
        return made.plain()

    async def daily(self, market: Calendar) -> float:
        """Make the daily backup if it is due; gives the seconds until the next look."""
        there = kept(backups_of(self._home), self._environment)
        if not is_due(made_at(there[-1]) if there else None, wall_now(), market):
            return LOOK
        try:
            await self.backup()
        except OptifireError as error:
            log.warning("the daily backup failed: %s", error)
            self._trouble = error
            return AGAIN
        self._trouble = None
        return LOOK

    def sentences(self) -> list[str]:
        """Give what is not well, for health."""
        return [] if self._trouble is None else [f"no daily backup: {self._trouble}"]

    def is_damaged(self) -> bool:
        """Tell whether there is none because the ledger itself was found damaged."""
        return isinstance(self._trouble, DamagedError)
