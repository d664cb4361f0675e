"""Connections to a ledger: the one that writes and those that read."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Literal

from optifire.core.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

#: FULL survives a power cut; NORMAL a crash of the process only (replay files).
Synchronous = Literal["FULL", "NORMAL"]

#: How long a statement waits for another process's lock, in seconds.
BUSY_TIMEOUT_S = 5.0
#: Page cache of the writer in KiB; negative is SQLite's way of saying "not pages".
_CACHE_KIB = -8192
#: A row cannot be larger (bytes): what a plugin's SQL can make of nothing, it makes small.
_MOST_BYTES = 128 * 2**20


#: STRICT tables came with SQLite 3.37 (https://www.sqlite.org/stricttables.html).
_OLDEST_SQLITE = (3, 37, 0)


def _check_sqlite(path: Path) -> None:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(
            f"this Python comes with SQLite {sqlite3.sqlite_version}, the ledger needs 3.37",
            where=str(path),
            remedy="Use a Python that is built with a newer SQLite",
        )


def connect_writer(path: Path, synchronous: Synchronous, busy_timeout: float) -> sqlite3.Connection:
    """Open the connection that writes, making folder (0700) and file (0600) when missing."""
    _check_sqlite(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout,
        isolation_level=None,
        cached_statements=512,
    )
    try:
        _prepare_writer(connection, synchronous)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_writer(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",
        f"cache_size = {_CACHE_KIB}",
        "wal_autocheckpoint = 0",  # the writer checkpoints between batches, after it has answered
    ):
        connection.execute(f"PRAGMA {pragma}")


def reader_uri(path: Path) -> str:
    """Give the URI of a read-only connection.

    A ledger in a place where nobody can write (a mounted backup) has no writer either: without a
    write-ahead log beside it, it is read as it is, since SQLite cannot make its shared index there.
    """
    asked = f"{path.absolute().as_uri()}?mode=ro"
    writable = os.access(path.parent, os.W_OK)
    logged = path.with_name(f"{path.name}-wal").exists()
    return asked if writable or logged else f"{asked}&immutable=1"


def connect_reader(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """Open a read-only connection that may be used from any one thread at a time."""
    connection = sqlite3.connect(
        reader_uri(path),
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
