"""`Day`: one day of the market, walked through by the clock on its wall."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from optifire.testing.host import PluginHost

if TYPE_CHECKING:
    from optifire.testing.asked import Asked, PluginLike
    from optifire.testing.testrun import TestRun

NEW_YORK = "America/New_York"
_JUST_BEFORE = dt.timedelta(microseconds=1)


class Day:
    """One day; times are texts like ``"09:31"`` in the market's zone.

    Use it as ``async with Day("2018-11-23", MyPlugin) as day:``.

    Parameters
    ----------
    date
        The day, as text or date.
    plugins, asked
        As for `PluginHost`, which is in `host`.
    tz
        The zone that times are said in.
    """

    def __init__(
        self,
        date: dt.date | str,
        *plugins: PluginLike,
        asked: Asked | None = None,
        tz: str = NEW_YORK,
    ) -> None:
        self.date = dt.date.fromisoformat(date) if isinstance(date, str) else date
        self._zone = ZoneInfo(tz)
        self.host = PluginHost(*plugins, start=self._at("00:00") - _JUST_BEFORE, asked=asked)

    async def __aenter__(self) -> Self:
        """Load the plugins; it is midnight."""
        await self.host.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the host go."""
        await self.host.__aexit__(None, None, None)

    async def advance_to(self, time: str) -> list[TestRun]:
        """Let the day go on up to and with a time; give the runs that ended meanwhile."""
        return await self.host.advance_to(self._at(time))

    async def end(self) -> list[TestRun]:
        """Let the rest of the day pass, midnight not included."""
        midnight = self._at("00:00", self.date + dt.timedelta(days=1))
        return await self.host.advance_to(midnight - _JUST_BEFORE)

    def runs(self, plugin_id: str, status: str | None = None) -> list[str]:
        """Give the times at which runs that were started were due, of one status or any."""
        return [
            _clock(run.due.astimezone(self._zone))
            for run in self.host.runs(plugin_id)
            if run.attempts and status in (None, run.status)
        ]

    def last(self, plugin_id: str) -> TestRun:
        """Give the latest run of a plugin, whatever became of it."""
        found = self.host.runs(plugin_id)
        if not found:
            raise LookupError(f"{plugin_id} has had no run on {self.date} so far")
        return found[-1]

    def _at(self, time: str, date: dt.date | None = None) -> dt.datetime:
        local = dt.datetime.combine(date or self.date, dt.time.fromisoformat(time), self._zone)
        return local.astimezone(dt.UTC)


def _clock(local: dt.datetime) -> str:
    """Give a time as a clock shows it; seconds only where there are any."""
    return local.strftime("%H:%M:%S" if local.second or local.microsecond else "%H:%M")
