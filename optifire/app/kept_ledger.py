"""A ledger that stays open for reading from one request to the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from optifire.store.reader import LedgerReader


@dataclass(slots=True)
class KeptLedger:
    """Opens a ledger when it is first asked for; to open one costs more than most questions.

    Between two questions no transaction is open, so that nobody's checkpoint waits for it.
    """

    path: Path
    _reader: LedgerReader | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self) -> LedgerReader:
        """Give the open ledger; raises `StoreError` as `LedgerReader` does."""
        async with self._opening:
            if self._reader is None:
                self._reader = await LedgerReader(self.path).__aenter__()
            return self._reader

    async def close(self) -> None:
        """Close it, if it was ever asked for."""
        async with self._opening:
            if self._reader is not None:
                reader, self._reader = self._reader, None
                await reader.__aexit__(None, None, None)
