"""Both ledgers under one roof: what the contract suite opens, closes, reopens and reads."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optifire.core.ports import Ledger, Store
from optifire.store.memory import MemoryStore
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)


@dataclass
class Backend:
    """One kind of ledger: the store, and how its rows are read."""

    store: Store
    path: Path | None = None

    def ledger(self) -> AbstractAsyncContextManager[Ledger]:
        return self._open_ledger()

    @asynccontextmanager
    async def _open_ledger(self) -> AsyncIterator[Ledger]:
        if self.path is not None:
            async with LedgerReader(self.path) as reader:
                yield reader
        else:
            assert isinstance(self.store, MemoryStore)
            yield self.store.ledger


@pytest.fixture(params=["memory", "sqlite"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """A ledger that is open."""
    if request.param == "memory":
        made = Backend(MemoryStore())
    else:
        path = tmp_path / "data" / "paper.db"
        made = Backend(SqliteStore(path, clock=lambda: NOW), path)
    await made.store.open()
    yield made
    await made.store.close()
