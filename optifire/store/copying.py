"""A copy of a ledger as of one instant, made while a service goes on writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.core.errors import DamagedError, StoreError, TransientError
from optifire.core.ledger import NoteRow
from optifire.store.blobs import blobs_of
from optifire.store.connect import BUSY_TIMEOUT_S, connect_reader
from optifire.store.manifest import LEDGER
from optifire.store.migrate import check_version, migrations, version_of
from optifire.store.queries import Insert, query
from optifire.store.rows import encode_notes
from optifire.store.syncing import link_or_copy, sync
from optifire.store.trouble import store_error

if TYPE_CHECKING:
    import threading
    from datetime import datetime
    from pathlib import Path

#: Pages that are copied at a time (1 MB), and seconds of rest after each: the service goes first.
PAGES: Final = 256
REST: Final = 0.002
#: A large value may be replaced between the look at the ledger and the look at its file.
_TRIES: Final = 10
#: Steps of SQLite's machine after which a check asks whether it is still wanted.
_STEPS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a ledger stands: version, last start, rows by table, names of its large values."""

    schema_version: int
    start: int
    counts: Mapping[str, int]
    blobs: frozenset[str]


def copy_ledger(source: Path, folder: Path, stop: threading.Event) -> None:
    """Copy a ledger to ``ledger.db`` of a folder, and its large values beside it.

    The copy shows one instant: a read transaction is held on the source, so that commits of a
    service neither show in it nor make it begin anew. ``stop`` ends it early.

    Raises
    ------
    StoreError
        There is no ledger, none that this program can read, or no place for the copy.
    TransientError
        It was stopped, or large values were replaced again and again meanwhile.
    """
    try:
        with closing(connect_reader(source, BUSY_TIMEOUT_S)) as reader:
            check_version(version_of(reader, source), migrations()[-1].version, source)
            _hold(reader, source, folder)
            _copy_pages(reader, folder / LEDGER, stop)
    except sqlite3.Error as error:
        raise store_error(source, error) from error


def _hold(reader: sqlite3.Connection, source: Path, folder: Path) -> None:
    """Begin to read, and give all large values of that instant a name in the copy."""
    values = blobs_of(folder / LEDGER)
    values.mkdir(mode=0o700, parents=True)
    missing = ""
    for _ in range(_TRIES):
        reader.execute("BEGIN")
        names = [name for (name,) in reader.execute(query("known_blobs"))]
        try:
            for name in names:
                if not (values / name).exists():
                    link_or_copy(blobs_of(source) / name, values / name)
        except FileNotFoundError as error:
            reader.rollback()
            missing = str(error.filename)
            continue
        known = set(names)
        for spare in values.iterdir():
            if spare.name not in known:
                spare.unlink()
        return
    raise StoreError(
        f"a large value of the ledger is missing ({missing})",
        where=str(source),
        remedy="Restore the folder from a backup: `optifire doctor` says what else is wrong",
    )


def _copy_pages(reader: sqlite3.Connection, target: Path, stop: threading.Event) -> None:
    def rest(_status: int, _remaining: int, _total: int) -> None:
        if stop.wait(REST):
            raise TransientError("the backup was stopped", where=str(target))

    target.touch(mode=0o600)
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # synced as a whole below
        reader.backup(copy, pages=PAGES, progress=rest)
        # Without a log beside it the copy is one file, readable where nobody can write.
        copy.execute("PRAGMA journal_mode = DELETE")
    sync(target)


def note_restored(path: Path, at: datetime, said: str) -> None:
    """Write into a copied ledger that it is one, so that it tells why runs are missing.

    Its journal goes on under a new name: a place in that of the original is none in this.
    """
    note = NoteRow(at, "restored", path.name, said)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            Insert("put_notes", 4).run(connection, encode_notes([note]))
            connection.execute(query("rename_journal"))
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def check_copy(path: Path, stop: threading.Event | None = None) -> Facts:
    """Look a copied ledger over from end to end and give where it stands.

    Raises `StoreError` when it is damaged, is no ledger, or is newer than this program.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            if stop is not None:
                connection.set_progress_handler(stop.is_set, _STEPS)
            version = version_of(connection, path)
            check_version(version, migrations()[-1].version, path)
            if version == 0:
                raise StoreError("the ledger is empty", where=str(path), remedy="Take another")
            _check(connection, path)
            return _facts(connection, version)
    except sqlite3.OperationalError as error:
        if stop is not None and stop.is_set():
            raise TransientError("the check was stopped", where=str(path)) from error
        raise store_error(path, error) from error
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = [line for (line,) in connection.execute("PRAGMA integrity_check(5)")]
    loose = connection.execute("PRAGMA foreign_key_check").fetchall()
    found += [f"a row of {row[0]} belongs to a row of {row[2]} that is not there" for row in loose]
    if found != ["ok"]:
        raise DamagedError(
            f"the file is damaged: {'; '.join(found[:5])}",
            where=str(path),
            remedy="Take another backup",
        )


def _facts(connection: sqlite3.Connection, version: int) -> Facts:
    counted = connection.execute(query("row_counts")).fetchone()
    counts = dict(zip(("runs", "attempts", "events", "context", "notes"), counted, strict=True))
    start = connection.execute(query("latest_start")).fetchone()[0] or 0
    blobs = frozenset(name for (name,) in connection.execute(query("known_blobs")))
    return Facts(version, start, counts, blobs)
