"""The ledger in SQLite: one writer thread, group commit, readers at any time."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from optifire.core.errors import DamagedError, OptifireError, StoreError
from optifire.core.ledger import Batch, Recovered, Rejected
from optifire.store.blobs import BlobFiles, blobs_of
from optifire.store.checkpoints import Checkpoints
from optifire.store.codec import to_us
from optifire.store.connect import BUSY_TIMEOUT_S, Synchronous, connect_writer
from optifire.store.guard import Guard
from optifire.store.lock import LedgerLock
from optifire.store.migrate import migrate
from optifire.store.packed import Packed, pack
from optifire.store.queries import query
from optifire.store.recovered import read_recovered
from optifire.store.snapshot import ReadPool, Snapshot
from optifire.store.swap import refuse_half_swapped
from optifire.store.transaction import Transactor
from optifire.store.trouble import store_error
from optifire.store.writer import Job, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

_log = logging.getLogger(__name__)

#: Pages that a transaction dirties before its first row: the leaves of each index.
_PAGES_A_COMMIT = 6
#: Points in time that are remembered before those let go are forgotten.
_LAZY = 64
#: Threads that answer plugins' queries.
_READ_THREADS = 2


class SqliteStore:
    """The `Store` of a service or a replay.

    Parameters
    ----------
    path
        The database file; made with its folder when missing.
    synchronous
        ``FULL`` survives a power cut, ``NORMAL`` a crash of the process (replay files).
    clock
        Gives the instants of starts and ends of the service.
    blobs
        The folder of values above 64 KB, this ledger's own; default ``blobs/<name>`` beside it.
    busy_timeout
        Seconds to wait for another process's lock before a commit fails.
    journal
        Whether the order of what becomes durable is written down, for those who follow it.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime],
        synchronous: Synchronous = "FULL",
        blobs: Path | None = None,
        busy_timeout: float = BUSY_TIMEOUT_S,
        journal: bool = True,
    ) -> None:
        self.path = path
        self._journal = journal
        self._clock = clock
        self._synchronous: Synchronous = synchronous
        self._blobs = BlobFiles(blobs if blobs is not None else blobs_of(path))
        self._busy_timeout = busy_timeout
        self._lock = LedgerLock(path)
        self._connection: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._pool: ReadPool | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._lazy: list[Snapshot] = []
        self._most_lazy = _LAZY
        self._checkpoints: Checkpoints | None = None

    async def open(self) -> Recovered:
        """Open, migrate, take the lock and begin a new start number.

        Raises `LockedError` naming the holder, `StoreError` with file and remedy.
        """
        if self._writer is not None:
            raise StoreError("the ledger is open already", where=str(self.path))
        writer = Writer(asyncio.get_running_loop(), self._explain)
        self._writer = writer
        try:
            found = await writer.call(lambda: self._open(writer))
        except BaseException:
            await self._stop(writer)
            raise
        assert isinstance(found, Recovered)  # noqa: S101 - what _open gives
        self._pool = ReadPool(self.path, self._busy_timeout)
        self._executor = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="ledger-reader")
        return found

    def _open(self, writer: Writer) -> Recovered:
        """Do the work of `open` on the writer's thread."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_half_swapped(self.path)
        self._lock.check_file()
        self._lock.take(self._clock())
        connection = connect_writer(self.path, self._synchronous, self._busy_timeout)
        self._connection = connection
        self._checkpoints = Checkpoints(
            connection, lambda: 0 if self._pool is None else self._pool.taken
        )
        migrate(connection, self.path)
        last = connection.execute(query("last_start")).fetchone()
        clean = last is None or bool(last[1])
        if not clean:
            check_whole(connection, self.path)
        guard = Guard()
        guard.install(connection)
        transactor = Transactor(connection, guard, self._blobs, self.path, journal=self._journal)
        transactor.sweep()
        self._blobs.sweep({name for (name,) in connection.execute(query("known_blobs"))})
        transactor.start = 1 if last is None else last[0] + 1
        connection.execute(
            query("begin_start"),
            (transactor.start, to_us(self._clock()), os.getpid(), socket.gethostname()),
        )
        writer.transactor = transactor
        writer.between = self._between
        return read_recovered(connection, self._blobs, start=transactor.start, clean=clean)

    def _explain(self, error: BaseException) -> BaseException:
        if isinstance(error, OptifireError):
            return error
        if isinstance(error, (sqlite3.Error, OSError, MemoryError)):
            return store_error(self.path, error)
        return error

    def _between(self, rows: int) -> None:
        """Tidy up while nobody waits for it: replaced large values, and the write-ahead log.

        What fails here is tried again after the next commit; callers hear of a full disk there.
        """
        writer, connection, checkpoints = self._writer, self._connection, self._checkpoints
        if writer is None or writer.transactor is None or connection is None or not checkpoints:
            return
        if connection.in_transaction:  # held open for the next commit
            return
        try:
            writer.transactor.sweep_replaced()
            checkpoints.wrote(_PAGES_A_COMMIT + rows)
        except (sqlite3.Error, OSError) as error:
            _log.warning("the ledger could not be tidied up: %s", store_error(self.path, error))

    async def commit(self, batch: Batch, *, hold: bool = False) -> Sequence[Rejected]:
        """Write one transaction; durable when it returns, unless ``hold`` keeps it open.

        A run whose table writes fail is stored ``failed`` and returned; the rest stands. Raises
        `StoreError` when nothing of the batch could be written.
        """
        writer = self._open_writer()
        packed = pack(batch)
        job = Job(packed, asyncio.get_running_loop().create_future(), hold=hold)
        if packed.changes_tables() and self._lazy:
            job.pins = points = self._unheld()
            for point in points:
                point.asked = True
            self._lazy.clear()
        writer.put(job)
        return await job.future

    def ping(self) -> asyncio.Future[object]:
        """Ask the writer for a sign: the answer comes when it has done all that is queued."""
        return self._open_writer().ask(lambda: None)

    async def snapshot(self) -> Snapshot:
        """Hold the tables as they are after every commit that was given so far."""
        self._open_writer()
        if self._pool is None or self._executor is None:
            raise StoreError("the ledger is not open", where=str(self.path))
        if len(self._lazy) >= self._most_lazy:  # seldom, or each cycle would pay for all others
            self._lazy = self._unheld()
            self._most_lazy = _LAZY + 2 * len(self._lazy)
        point = Snapshot(self._pool, self._executor, self._pin)
        self._lazy.append(point)
        return point

    def _unheld(self) -> list[Snapshot]:
        return [point for point in self._lazy if not (point.closed or point.asked)]

    def _pin(self, point: Snapshot) -> None:
        """Queue a snapshot to be held after what is queued already."""
        future: asyncio.Future[Sequence[Rejected]] = asyncio.get_running_loop().create_future()
        self._open_writer().put(Job(Packed(), future, [point]))

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise StoreError(
                "the ledger is closed", where=str(self.path), remedy="Open the store first"
            )
        return self._writer

    async def close(self, *, clean: bool = True) -> None:
        """Write the end of this start and let the file go; closing twice is fine."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            await writer.call(lambda: self._close(writer, clean=clean))
        finally:
            await self._stop(writer)

    def _close(self, writer: Writer, *, clean: bool) -> None:
        connection, transactor = self._connection, writer.transactor
        if connection is None or transactor is None:
            return
        transactor.sweep()
        connection.execute(query("end_start"), (to_us(self._clock()), int(clean), transactor.start))

    async def _stop(self, writer: Writer) -> None:
        """End threads and connections, whatever happened before."""
        self._writer = None
        if self._executor is not None:
            self._executor.shutdown(wait=True)
        if self._pool is not None:
            self._pool.close()
        try:
            await writer.call(self._disconnect)
        finally:
            writer.end()
            writer.join()
            self._lock.release()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Look a ledger over after an unclean end; raises `DamagedError` with what was found."""
    found = [line for (line,) in connection.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise DamagedError(
            f"the file is damaged: {'; '.join(found)}",
            where=str(path),
            remedy="Take a backup back: `optifire restore NAME`",
        )
