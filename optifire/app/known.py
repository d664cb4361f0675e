"""What is known of a home: configuration, catalog and market, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optifire.app.joining import Configuration, is_recorded
from optifire.app.opening import demo_bounds
from optifire.core.calendar import Calendar
from optifire.core.ports import Description
from optifire.host.catalog import Catalog
from optifire.host.home import Home

if TYPE_CHECKING:
    from pathlib import Path


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


def last_instant(known: Knowledge) -> datetime:
    """Give the instant after which nothing is due: a demo ends, the wall clock does not."""
    if not known.recorded:
        return datetime.max.replace(tzinfo=UTC)
    return demo_bounds(known.configuration.settings, known.market)[1]
