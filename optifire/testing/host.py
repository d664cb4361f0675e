"""`PluginHost`: a real host with a ledger in memory, on a clock that stands where it is put."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from optifire.testing.asked import Asked, Instant, PluginLike, instant_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from optifire.host.catalog import Catalog
    from optifire.sdk.context import BusEvent
    from optifire.testing.playing import Player
    from optifire.testing.testrun import TestRun


class PluginHost:
    """Runs plugins through planner, resolver, admission, runner and recorder, all of them real.

    As in ``async with PluginHost(MyPlugin, start="2018-11-23T13:00Z") as host:``. Time passes by
    `advance_to` only; every instant in between at which something is due gets its runs.

    Parameters
    ----------
    plugins
        Classes, instances or folders, in any order; what they need of each other is resolved.
    start
        The virtual present at the beginning. What is due at this very instant has passed.
    asked
        Configuration, data, bars and tables; see `Asked`.
    """

    def __init__(self, *plugins: PluginLike, start: Instant, asked: Asked | None = None) -> None:
        self._plugins = plugins
        self._start = instant_of(start)
        self._asked = asked or Asked()
        self._resources = AsyncExitStack()
        self._player: Player | None = None

    async def __aenter__(self) -> Self:
        """Load the plugins; raises `OptifireError` where one of them cannot be."""
        from optifire.host.home import Home  # late: pytest imports this module at its start
        from optifire.testing.playing import Player

        async with AsyncExitStack() as resources:
            folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="optifire-kit-"))
            player = Player()
            await player.open(self._plugins, self._asked, Home(Path(folder)), self._start)
            resources.push_async_callback(player.close)
            self._player = player
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let everything go that was opened."""
        await self._resources.aclose()

    @property
    def now(self) -> dt.datetime:
        """The virtual present, UTC."""
        return self._open.now()

    @property
    def catalog(self) -> Catalog:
        """What the host knows of the plugins, their jobs and states."""
        return self._open.joined.catalog

    @property
    def events(self) -> Sequence[BusEvent]:
        """Everything that was published on the bus so far, in the order of commits."""
        return tuple(self._open.events)

    @property
    def context(self) -> Mapping[str, Any]:
        """The shared context as committed, by name."""
        return self._open.context()

    def runs(self, plugin_id: str | None = None) -> list[TestRun]:
        """Give the runs that have ended, of one plugin or all, by due instant."""
        found = [run for run in self._open.runs if plugin_id in (None, run.plugin_id)]
        return sorted(found, key=lambda run: (run.due, run.run_id))

    async def advance_to(self, until: Instant) -> list[TestRun]:
        """Let time pass up to and with an instant; give the runs that ended meanwhile."""
        moment = instant_of(until)
        if moment < self.now:
            raise ValueError(f"{until} lies before the present, {self.now.isoformat()}")
        return await self._open.advance(moment)

    async def run(self, plugin_id: str = "", *, events: Sequence[BusEvent] = ()) -> TestRun:
        """Run one plugin (the only one, unless it is named) now, by hand.

        ``events`` is what it is told to have been started by.
        """
        return await self._open.fire(plugin_id, events)

    async def publish(self, name: str, data: object = None, source: str = "given") -> list[TestRun]:
        """Publish an event now; give the runs that it, and what these publish, leads to."""
        return await self._open.publish(name, data, source)

    async def query(self, sql: str, *params: object) -> list[dict[str, Any]]:
        """Answer a query on all tables as they are now, as rows by column name."""
        return await self._open.query(sql, params)

    @property
    def _open(self) -> Player:
        if self._player is None:
            raise RuntimeError("the host is not open; use `async with PluginHost(...) as host:`")
        return self._player
