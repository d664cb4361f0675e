"""The tables at one point in the order of commits, without holding up reader or writer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import msgspec

from optifire.core.errors import ContractError, OptifireError, StoreError
from optifire.core.types import Encoded
from optifire.store.connect import connect_reader
from optifire.store.guard import Guard
from optifire.store.tables import STATEMENT_ERRORS, contract_error, run_statement
from optifire.store.trouble import is_environment, store_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

#: An answer above this many bytes is a contract error, as a context value would be.
MOST_BYTES = 64 * 2**20
_CHUNK = 500

_pack = msgspec.msgpack.Encoder().encode


class Reading:
    """One read-only connection with the guard that holds plugins' queries to what they may see."""

    def __init__(self, connection: sqlite3.Connection, path: Path | str) -> None:
        self.connection = connection
        self.guard = Guard()
        self.guard.install(connection)
        self._path = path

    def query(self, sql: str, params: Encoded, *, one: bool, plugin_id: str) -> Encoded:
        """Answer one query as a MessagePack list of mappings column -> value."""
        with self.guard.watch(plugin_id, sql, writing=False):
            try:
                cursor = run_statement(self.connection, plugin_id, sql, params)
                return _answer(cursor, plugin_id, sql, one=one)
            except STATEMENT_ERRORS as error:
                if is_environment(error):
                    raise store_error(self._path, error) from error
                raise contract_error(plugin_id, sql, error, self.guard) from error


def _answer(cursor: sqlite3.Cursor, plugin_id: str, sql: str, *, one: bool) -> Encoded:
    if cursor.description is None:
        raise ContractError(
            f"the statement gives no rows: {sql}",
            where=plugin_id,
            remedy="Use execute() for writes",
        )
    names = [column[0] for column in cursor.description]
    packed: list[msgspec.Raw] = []
    size = 0
    while found := cursor.fetchmany(1 if one else _CHUNK):
        for row in found:
            line = _pack(dict(zip(names, row, strict=True)))
            size += len(line)
            packed.append(msgspec.Raw(line))
        if size > MOST_BYTES:
            raise ContractError(
                f"the answer is larger than {MOST_BYTES >> 20} MB: {sql}",
                where=plugin_id,
                remedy="Ask for fewer rows",
            )
        if one:
            break
    cursor.close()
    return Encoded(_pack(packed))


class ReadPool:
    """Read-only connections, kept for the next snapshot; used from any thread."""

    def __init__(self, path: Path, busy_timeout: float, keep: int = 4) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._keep = keep
        self._free: list[Reading] = []
        #: How many have been taken and not given back.
        self.taken = 0
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Reading:
        """Give a connection in a read transaction that sees every commit so far."""
        with self._lock:
            reading = self._free.pop() if self._free else None
        if reading is None:
            reading = Reading(connect_reader(self._path, self._busy_timeout), self._path)
        reading.connection.execute("BEGIN")
        # A deferred BEGIN holds nothing: the first read fixes the point in time.
        reading.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with self._lock:
            self.taken += 1
        return reading

    def give(self, reading: Reading) -> None:
        """Take a connection back."""
        reading.connection.rollback()
        with self._lock:
            self.taken -= 1
            if len(self._free) < self._keep and not self._closed:
                self._free.append(reading)
                return
        reading.connection.close()

    def close(self) -> None:
        """Close what is free; what is in use is closed when it comes back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for reading in free:
            reading.connection.close()


class Snapshot:
    """A point in time. Nothing is held until a later commit would change what it sees.

    Plugins see nothing but tables, so only commits with table writes matter: the writer pins the
    open snapshots before the first of them. Most cycles never ask and cost nothing.
    """

    def __init__(self, pool: ReadPool, executor: Executor, ask: Callable[[Snapshot], None]) -> None:
        self.closed = False
        #: Whether the writer has been asked to pin it.
        self.asked = False
        self._pool = pool
        self._executor = executor
        self._ask = ask
        self._lock = threading.Lock()
        self._pinned = threading.Event()
        self._reading: Reading | None = None
        self._trouble: Exception | None = None

    def pin(self) -> None:
        """Begin the read transaction; called by the writer, between transactions."""
        with self._lock:
            if self._reading is None and not self.closed:
                try:
                    self._reading = self._pool.take()
                except (sqlite3.Error, OptifireError) as error:
                    self._trouble = error  # told to whoever asks; the commit must go on
        self._pinned.set()

    async def fetch(self, sql: str, params: Encoded, *, one: bool, plugin_id: str = "") -> Encoded:
        """Answer one query; raises `ContractError` naming the statement."""
        if not self.asked:
            self.asked = True
            self._ask(self)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._query, sql, params, one, plugin_id)

    def _query(self, sql: str, params: Encoded, one: bool, plugin_id: str) -> Encoded:  # noqa: FBT001 - run_in_executor passes by place
        self._pinned.wait()
        with self._lock:
            if self._trouble is not None:
                raise store_error("snapshot", self._trouble)
            if self.closed or self._reading is None:
                raise StoreError("the point in time has been let go", remedy="Fetch during the run")
            return self._reading.query(sql, params, one=one, plugin_id=plugin_id)

    async def close(self) -> None:
        """Let the point in time go; a query still at work is ended."""
        self.closed = True
        reading = self._reading
        if reading is not None:
            reading.guard.stop()
        if self._lock.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._lock.release()
        else:  # a query holds it, or the writer is about to: wait for them elsewhere
            await asyncio.get_running_loop().run_in_executor(self._executor, self._wait_release)

    def _wait_release(self) -> None:
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._reading is not None:
            self._pool.give(self._reading)
            self._reading = None
