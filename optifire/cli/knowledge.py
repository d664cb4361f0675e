"""What a command knows of a home without a service: configuration, catalog, and the present."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from optifire.app.joining import Catalogs, read_configuration
from optifire.app.known import Knowledge
from optifire.app.living import lives_in
from optifire.app.opening import demo_bounds
from optifire.app.pausing import read_pauses
from optifire.app.quarantining import recall
from optifire.app.working import worker_settings
from optifire.cli.house import ask_service
from optifire.cli.ledgers import reading
from optifire.core.ledger import RunFilter
from optifire.core.ports import Describer, Description
from optifire.core.run import RunKind
from optifire.host.descriptions import Descriptions, describe_all
from optifire.host.lifecycle import Lifecycle
from optifire.runtime.clock import wall_now
from optifire.runtime.pauses import Pauses
from optifire.workers.isolated import IsolatedWorker
from optifire.workers.sandbox import missing, offered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optifire.core.types import PluginId
    from optifire.host.catalog import Catalog
    from optifire.host.home import Home


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
        market = await catalogs.calendars.market(configuration.settings)
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


async def paused(known: Knowledge) -> Pauses:
    """Give who is paused, by what the ledger says."""
    return await read_pauses(known.database) if known.database.exists() else Pauses()


async def lives_of(known: Knowledge) -> Lifecycle:
    """Give in which state each plugin is since when and why, by what the ledger says."""
    if not known.database.exists():
        return Lifecycle()
    async with reading(known.database) as ledger:
        return await lives_in(ledger)


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
