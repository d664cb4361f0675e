"""Ledgers in files, for what only files can suffer."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optifire.store.sqlite import SqliteStore

NOW = datetime(2018, 11, 23, 18, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "paper.db"


@pytest.fixture
def make_store(path: Path) -> Callable[..., SqliteStore]:
    """Make a store that is not open yet."""

    def make(at: Path = path, busy_timeout: float = 5.0) -> SqliteStore:
        return SqliteStore(at, clock=lambda: NOW, busy_timeout=busy_timeout)

    return make


@pytest.fixture
async def store(make_store: Callable[..., SqliteStore]) -> AsyncIterator[SqliteStore]:
    """A store that is open."""
    made = make_store()
    await made.open()
    yield made
    await made.close()
