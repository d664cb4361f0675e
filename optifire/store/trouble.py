"""What SQLite complains about, said so that a person can act on it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from optifire.core.errors import DamagedError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

#: Primary result code -> (what is wrong, what to do, whether trying again may help).
#: https://www.sqlite.org/rescode.html
_CAUSES: dict[int, tuple[str, str, bool]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space; nothing stored is lost", True),
    sqlite3.SQLITE_READONLY: (
        "the file or its folder is read-only",
        "Make both writable for this user",
        False,
    ),
    sqlite3.SQLITE_IOERR: ("reading or writing the file failed", "Check the disk", True),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "Check that the folder exists and that this user may read and write it",
        False,
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged",
        "Stop the service and take a backup back: `optifire restore NAME`",
        False,
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is not a SQLite database",
        "Name another file; if it is to be this home's ledger, restore it from a backup",
        False,
    ),
    sqlite3.SQLITE_BUSY: (
        "the database is locked by another process",
        "End the other program that writes to it (fuser shows which)",
        True,
    ),
    sqlite3.SQLITE_LOCKED: ("a table is locked", "Try again", True),
    sqlite3.SQLITE_NOMEM: ("there is no memory left", "Free some memory", True),
}

_PRIMARY = 0xFF
#: What no waiting mends.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def primary_code(error: BaseException) -> int:
    """Give the primary result code of an error, 0 when SQLite did not give one."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY


def is_environment(error: BaseException) -> bool:
    """Tell whether an error concerns disk, file or lock and not what was to be written."""
    return primary_code(error) in _CAUSES or isinstance(error, MemoryError)


def store_error(path: Path | str, error: BaseException) -> StoreError:
    """Give the `StoreError` of an error, naming the file and the remedy; the cause is kept."""
    known = _CAUSES.get(primary_code(error))
    if known is None:
        made = StoreError(
            f"the ledger refused what was to be written ({type(error).__name__}: {error})",
            where=str(path),
            remedy="Report this as a bug",
        )
    else:
        what, remedy, again = known
        kind = DamagedError if primary_code(error) in _DAMAGE else StoreError
        made = kind(f"{what} ({error})", where=str(path), remedy=remedy)
        made.retryable = again
    made.__cause__ = error
    return made
