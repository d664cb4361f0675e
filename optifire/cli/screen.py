"""The live screen of ``up``: asks the service how it is a few times a second and draws that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from rich.live import Live

from optifire.cli.scene import next_dues, with_view
from optifire.cli.view import render
from optifire.core.calendar import Calendar
from optifire.core.settings import DemoSettings
from optifire.runtime.clock import real_pause

if TYPE_CHECKING:
    from rich.console import Console

    from optifire.cli.scene import Status
    from optifire.host.catalog import Catalog

#: Seconds between two pictures.
PERIOD = 0.25


class Shown(Protocol):
    """What the screen asks of a service."""

    catalog: Catalog

    async def status(self) -> dict[str, Any]:
        """Give the service's state."""


@dataclass(frozen=True)
class Screen:
    """Draws a service on a terminal until it is cancelled.

    Attributes
    ----------
    market, tz
        Whose sessions are shown, and the zone of times.
    demo
        Which days a demo plays.
    """

    market: Calendar
    tz: str
    demo: DemoSettings

    async def show(self, service: Shown, console: Console) -> None:
        """Draw again and again; the terminal is as it was when this ends, however it ends."""
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                size = (console.size.width, console.size.height)
                live.update(render(await self.picture(service), size), refresh=True)
                await real_pause(PERIOD)

    async def picture(self, service: Shown) -> Status:
        """Give the status with what the screen shows beside it."""
        status = await service.status()
        due = next_dues(service.catalog.jobs, datetime.fromisoformat(status["now"]))
        return with_view(status, self.market, self.tz, self.demo, due)
