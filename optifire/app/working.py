"""What the workers of a home are made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.store.codec import to_us
from optifire.workers.isolated import WorkerSettings

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.core.settings import Settings
    from optifire.host.home import Home


def worker_settings(
    home: Home, settings: Settings, *, replay: bool = False, shift_after: datetime | None = None
) -> WorkerSettings:
    """Give what the workers of a home are made with."""
    return WorkerSettings(
        home=home.root,
        files=home.data,
        aliases=settings.data.aliases,
        symbol=settings.data.default_symbol,
        replay=replay,
        shift_after=None if shift_after is None else to_us(shift_after),
    )
