"""What a command knows of a home without a service: configuration, catalog, and the present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optifire.app.joining import Catalogs, Configuration, is_recorded, read_configuration
from optifire.app.opening import demo_bounds, worker_settings
from optifire.app.quarantining import recall
from optifire.cli.house import ask_service
from optifire.cli.ledgers import reading
from optifire.core.calendar import Calendar
from optifire.core.ledger import RunFilter
from optifire.core.ports import Describer, Description
from optifire.core.run import RunKind
from optifire.host.catalog import Catalog
from optifire.host.descriptions import Descriptions, describe_all
from optifire.host.home import Home
from optifire.runtime.clock import wall_now
from optifire.workers.isolated import IsolatedWorker
from optifire.workers.sandbox import missing, offered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from optifire.core.types import PluginId


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One look at a home: its configuration, its plugins, and its market."""

    home: Home
    configuration: Configuration
    catalog: Catalog
    market: Calendar
    #: Plugins that are off, asked as well, by folded id; empty unless asked for.
    others: dict[str, Description]

    @property
    def tz(self) -> str:
        """The zone in which times are shown."""
        return self.configuration.settings.market.tz or self.market.tz

    @property
    def recorded(self) -> bool:
        """Whether market data is recorded."""
        return is_recorded(self.configuration.features.environment)

    @property
    def database(self) -> Path:
        """The ledger of the environment that is configured."""
        return self.home.database(self.configuration.features.environment.value)


async def look(
    home: Home, *, everything: bool = False, command: Mapping[str, object] | None = None
) -> Knowledge:
    """Read a home; plugins that were not described yet are asked in a worker.

    With ``everything`` plugins that are off are asked too. ``command`` is a layer of features
    above all others, in the shape of features.yaml. Raises `ConfigError` with file, line
    and key; a plugin at fault is listed with its reason instead.
    """
    configuration = read_configuration(home, command=command)
    worker = IsolatedWorker(worker_settings(home, configuration.settings))
    try:
        catalogs = Catalogs(home, worker, missing(offered()))
        catalog = await catalogs.build(configuration)
        market = await catalogs.calendars.get(configuration.settings.market.calendar)
        others = await _others(home, catalog, worker) if everything else {}
    finally:
        await worker.stop()
    return Knowledge(home, configuration, catalog, market, others)


async def _others(home: Home, catalog: Catalog, worker: Describer) -> dict[str, Description]:
    """Ask the plugins that the catalog had no reason to ask; one at fault stays unknown."""
    unknown = {
        folded: listed.candidate
        for folded, listed in catalog.plugins.items()
        if listed.candidate is not None and listed.description is None and listed.error is None
    }
    descriptions = Descriptions(worker, home.cache / "descriptions.msgpack")
    said = await describe_all(descriptions, unknown)
    return {folded: one for folded, one in said.items() if isinstance(one, Description)}


def last_instant(known: Knowledge) -> datetime:
    """Give the instant after which nothing is due: a demo ends, the wall clock does not."""
    if not known.recorded:
        return datetime.max.replace(tzinfo=UTC)
    return demo_bounds(known.configuration.settings, known.market)[1]


async def present(known: Knowledge) -> datetime:
    """Give the present of a home: the wall clock's, or where its demo has come to."""
    status = ask_service(known.home, "status")
    if status is not None:
        return datetime.fromisoformat(status["now"])
    if not known.recorded:
        return wall_now()
    first, _ = demo_bounds(known.configuration.settings, known.market)
    if not known.database.exists():
        return first
    async with reading(known.database) as ledger:
        rows = await ledger.runs(RunFilter(limit=1, kind=RunKind.SCHEDULED))
    return max(first, rows[0].key.due) if rows else first


async def quarantined(known: Knowledge) -> Mapping[PluginId, str]:
    """Give why each plugin that is quarantined is, by what the ledger says."""
    if not known.database.exists():
        return {}
    alive = ask_service(known.home, "status") is not None
    most = known.configuration.settings.system.quarantine_after
    async with reading(known.database) as ledger:
        counts = await ledger.statuses()
        standings = await recall(ledger, known.catalog.jobs, counts, most, alive=alive)
    standings.adopt(known.catalog.jobs, wall_now())
    return standings.held
