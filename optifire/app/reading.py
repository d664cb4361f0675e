"""What the API tells of a service as it stands: the same shapes that commands print."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.app.graphs import graph_of
from optifire.app.known import Knowledge, last_instant
from optifire.app.plugin_info import info_of, row_of
from optifire.app.reasons import explain
from optifire.host.records import instant_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from optifire.api.ports import Shape
    from optifire.app.service import Service
    from optifire.core.types import PluginId
    from optifire.host.catalog import Catalog
    from optifire.runtime.pauses import Pauses


def known_of(service: Service) -> Knowledge:
    """Give what is known of a home that a service holds, as that service knows it."""
    configuration = service.configuration
    market = service.catalogs.calendars.in_use
    return Knowledge(service.home, configuration, service.catalog, market, {})


class Reading:
    """Answers from a service's catalog and planner."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._graph: tuple[Catalog, Shape] | None = None

    def alive(self) -> Shape:
        """Give what everybody may know."""
        service = self._service
        said = service.health().summary(service.state)
        return {name: said[name] for name in ("live", "ready", "state", "level")}

    async def checks(self) -> Shape:
        """Give every check with its reasons."""
        return await self._service.report()

    async def status(self) -> Shape:
        """Give the state of the service."""
        return await self._service.status()

    async def plugins(self) -> Sequence[Shape]:
        """Give one item for each plugin there is."""
        known = known_of(self._service)
        more = (self._held, self._pauses, self._service.living.lives)
        return [row_of(known, each, one, *more) for each, one in known.catalog.plugins.items()]

    async def plugin(self, plugin_id: str) -> Shape:
        """Give everything about one plugin."""
        known = known_of(self._service)
        lives = self._service.living.lives
        return info_of(known, plugin_id, self._held, self._pauses, lives, config=True)

    async def upcoming(self, hours: float, limit: int) -> Sequence[Shape]:
        """Give what is due in the next hours."""
        known, now = known_of(self._service), self._now
        until = min(now + timedelta(hours=hours), last_instant(known))
        if self._service.engine.finished:
            return []
        planner = self._service.engine.planner()  # a year of many jobs takes it a while
        found = await asyncio.to_thread(planner.upcoming, until, limit)
        return [
            {"plugin_id": each.plugin_id, "due": instant_text(each.due), "trigger": each.trigger}
            for each in found
        ]

    async def why(self, plugin_id: str, at: datetime | None) -> Shape:
        """Give why a plugin ran or did not."""
        known = known_of(self._service)
        if at is None:
            return await explain(known, plugin_id, self._now, self._held, self._pauses)
        return await explain(known, plugin_id, at, {})

    async def graph(self) -> Shape:
        """Give who needs whom; made once for each catalog, which never changes."""
        catalog = self._service.catalog
        if self._graph is None or self._graph[0] is not catalog:
            self._graph = catalog, graph_of(catalog)
        return self._graph[1]

    async def flags(self) -> Mapping[str, bool]:
        """Give for each plugin whether it is on."""
        return {one.plugin_id: one.enabled for one in self._service.catalog.plugins.values()}

    def metrics(self) -> str:
        """Give what the service counts and measures."""
        return self._service.metrics.text()

    @property
    def _now(self) -> datetime:
        return self._service.engine.rooms.clock.now()

    @property
    def _pauses(self) -> Pauses:
        return self._service.pausing.pauses

    @property
    def _held(self) -> Mapping[PluginId, str]:
        standings = self._service.engine.rooms.standings
        return {} if standings is None else standings.held
