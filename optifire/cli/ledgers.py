"""The ledger that a command reads, whether or not a service is writing it."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from optifire.cli.house import ask_service
from optifire.core.errors import ConfigError, StoreError
from optifire.host.features import load_features
from optifire.store.reader import LedgerReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from optifire.host.home import Home

Answer = TypeVar("Answer")


def wait_for(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run one piece of work of a command on an event loop of its own."""
    return asyncio.run(work)


def ledger_of(home: Home, db: str | None) -> Path | None:
    """Give the ledger that a command reads, None where the home has none yet.

    Raises
    ------
    StoreError
        The file named with ``--db`` is not there.
    """
    if db is not None:
        path = Path(db).expanduser()
        if not path.is_file():
            raise StoreError(
                "there is no such ledger",
                where=str(path),
                remedy="Name the file of a service (data/<environment>.db) or of `replay --db`",
            )
        return path
    path = home.database(environment_of(home))
    return path if path.exists() else None


def environment_of(home: Home) -> str:
    """Give the environment of a home, also of one whose features.yaml is gone or broken.

    A running service knows best; without one it is that of the ledger that was written last.
    """
    try:
        return load_features(home, os.environ, {}).environment.value
    except ConfigError:
        status = ask_service(home, "status")
        if status is not None:
            return str(status["environment"])
        if not home.ledgers:
            raise
        return home.ledgers[0].stem


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[LedgerReader]:
    """Open a ledger for reading, live or replayed, also while a service writes it."""
    async with LedgerReader(path) as ledger:
        yield ledger
