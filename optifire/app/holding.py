"""Who holds a ledger, and what may be done with one that nobody holds."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from optifire.app.backups import backups_of, kept
from optifire.core.errors import DamagedError, LockedError
from optifire.host.client import is_listening
from optifire.runtime.clock import wall_now
from optifire.store.blobs import blobs_of
from optifire.store.lock import LedgerLock
from optifire.store.swap import marker_of

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.host.home import Home


def refuse_second(home: Home, path: Path) -> None:
    """Raise `LockedError` when a service has this home, naming its process where that is known.

    It is known where that service writes the same ledger, and not that of another environment.
    """
    if not is_listening(home.socket):
        return
    lock = LedgerLock(path)
    lock.take(wall_now())
    lock.release()
    raise LockedError(
        "another service is running in this home, in another environment",
        where=str(home.socket),
        remedy="Stop it first, or use it: `optifire status`",
    )


def advised(error: DamagedError, home: Home, environment: str) -> DamagedError:
    """Give the error of a damaged ledger with the newest backup there is, for a person to take."""
    there = kept(backups_of(home), environment)
    remedy = (
        f"Take a backup back: `optifire restore {there[-1].name}`"
        if there
        else "There is no backup; move the file away, and a new ledger begins"
    )
    return DamagedError(error.message, where=error.where, remedy=remedy)


def discard(path: Path) -> None:
    """Remove a ledger, also a damaged one; raises `LockedError` when a service holds it."""
    lock = LedgerLock(path)
    lock.take(wall_now())
    try:
        _unlink(path)
    finally:
        lock.release()


def _unlink(path: Path) -> None:
    """Remove a database with what SQLite keeps beside it, and its large values."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(blobs_of(path), ignore_errors=True)
    marker_of(path).unlink(missing_ok=True)
