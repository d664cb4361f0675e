"""Looks into ledgers that somebody else may be writing, or was when it was killed."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from optifire.core.ledger import NoteRow, RunFilter, RunRow
from optifire.store.reader import LedgerReader

#: More runs than any trial makes.
ALL = 10_000_000


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a database as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def runs_in(path: Path, **conditions: Any) -> list[RunRow]:  # noqa: ANN401
    """Give the runs that a ledger holds, oldest first; none when there is no ledger yet."""
    which = RunFilter(**{"limit": ALL} | conditions)
    return [] if is_blank(path) else asyncio.run(_runs(path, which))


def notes_in(path: Path, kind: str | None = None) -> list[NoteRow]:
    """Give the notes that a ledger holds, oldest first; none when there is no ledger yet."""
    return [] if is_blank(path) else asyncio.run(_notes(path, kind))


async def _runs(path: Path, which: RunFilter) -> list[RunRow]:
    async with LedgerReader(path) as ledger:
        return list(reversed(await ledger.runs(which)))


async def _notes(path: Path, kind: str | None) -> list[NoteRow]:
    async with LedgerReader(path) as ledger:
        return list(reversed(await ledger.notes(kind=kind)))


def is_blank(path: Path) -> bool:
    """Tell whether there is no ledger in this place yet, only a file at most."""
    if not path.exists():
        return True
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version == 0


def is_whole(path: Path) -> bool:
    """Tell whether SQLite finds nothing wrong in a database."""
    with closing(sqlite3.connect(path)) as connection:
        found: Sequence[tuple[str]] = connection.execute("PRAGMA integrity_check").fetchall()
    return found == [("ok",)]


@contextmanager
def selecting(path: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Give a function that answers SQL over a database that nobody else writes."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        yield lambda sql: connection.execute(sql).fetchall()
