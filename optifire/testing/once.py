"""`run_plugin`: one run of one plugin as of an instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.testing.asked import ONLY, Asked, Instant, PluginLike
from optifire.testing.host import PluginHost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.core.ports import BarReader, Frame
    from optifire.sdk.context import BusEvent
    from optifire.testing.testrun import TestRun

#: The close of the half day after Thanksgiving, well inside the built-in data.
USUAL_INSTANT = "2018-11-23T18:00Z"


async def run_plugin(
    plugin: PluginLike,
    at: Instant = USUAL_INSTANT,
    *,
    config: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    bars: Mapping[str, Frame] | BarReader | None = None,
    tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    events: Sequence[BusEvent] = (),
    strict: bool = True,
) -> TestRun:
    """Run a plugin once, by hand, in a host of its own, and give everything that it left.

    Parameters
    ----------
    plugin
        A class, an instance, or the folder with its ``impl.py``.
    at
        ``context.now``: data is visible up to it. Text needs a zone.
    config
        The plugin's settings.
    data, bars, tables, strict
        As in `Asked`.
    events
        What the run is told to have been started by.

    Raises
    ------
    OptifireError
        The plugin cannot be loaded. A run that goes wrong raises nothing: see its `status`.
    """
    asked = Asked(
        config={ONLY: config} if config else {},
        data=data or {},
        bars=bars,
        tables=tables or {},
        strict=strict,
    )
    async with PluginHost(plugin, start=at, asked=asked) as host:
        return await host.run(events=events)
