"""Numbered migrations: a ledger is brought up to the version that this code knows."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from optifire.core.errors import UnfitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: "OptF": tells a ledger from any other SQLite file (PRAGMA application_id).
APPLICATION_ID = 0x4F707446

_FILE = re.compile(r"^(\d{4})_\w+\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: the version it leads to, and its SQL."""

    version: int
    sql: str


def migrations() -> tuple[Migration, ...]:
    """Give all steps, oldest first."""
    found = [
        Migration(int(match[1]), entry.read_text(encoding="utf-8"))
        for entry in files("optifire.store").joinpath("migrations").iterdir()
        if (match := _FILE.match(entry.name))
    ]
    return tuple(sorted(found, key=lambda step: step.version))


def version_of(connection: sqlite3.Connection, path: Path | str) -> int:
    """Give the version of a ledger, 0 for an empty file.

    Raises `UnfitError` for a database that is something else.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise UnfitError(
            "this SQLite file is not a ledger of OptiFIRE",
            where=str(path),
            remedy="Name another file",
        )
    return version if tables else 0


def check_version(version: int, newest: int, path: Path | str) -> None:
    """Raise `UnfitError` naming both versions when a ledger is newer than the code."""
    if version > newest:
        raise UnfitError(
            f"the ledger has version {version}, this program knows versions up to {newest}",
            where=str(path),
            remedy="Use the newer program that wrote it, or restore the copy made before that",
        )


def migrate(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration] | None = None
) -> int:
    """Bring a ledger up to date; gives the version it had.

    An older one is copied to ``<file>.bak-<version>`` first. All steps are one transaction: who
    reads meanwhile finds the ledger as it was, or up to date.
    """
    todo = migrations() if steps is None else steps
    version = version_of(connection, path)
    check_version(version, todo[-1].version, path)
    todo = [step for step in todo if step.version > version]
    if todo and version:
        _copy(connection, path.with_name(f"{path.name}.bak-{version}"))
    if todo:
        _apply(connection, todo)
    return version


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    copy = sqlite3.connect(part)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    part.replace(target)


def _apply(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    script = "\n".join(step.sql for step in steps)
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {steps[-1].version};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()
        raise
