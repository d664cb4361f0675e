"""What the bench's own plugins, loaded from files, share with it inside one process."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

#: How late each run of W3 began: due instant, plugin, seconds.
BEGUN: list[tuple[datetime, str, float]] = []


def begin(due: datetime, plugin_id: str) -> None:
    """Keep how late a run begins, in its own first line."""
    BEGUN.append((due, plugin_id, time.time() - due.timestamp()))


class Gate:
    """Runs wait here until all of them do, and go on together."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = 0
        self._full: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until the gate opens."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._full is not None and len(self._waiting) == self._wanted:
            self._full.set_result(None)
        await future

    async def all_wait(self, count: int) -> None:
        """Wait until so many wait."""
        if len(self._waiting) < count:
            self._wanted, self._full = count, asyncio.get_running_loop().create_future()
            await self._full
            self._full = None

    def open(self) -> None:
        """Let all who wait go on."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(None)


GATE = Gate()
