"""A read-only connection to a ledger: opened only when this program can read what is there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import aiosqlite

from optifire.core.errors import StoreError
from optifire.store.connect import BUSY_TIMEOUT_S, reader_uri
from optifire.store.migrate import APPLICATION_ID, check_version, migrations
from optifire.store.queries import query
from optifire.store.rows import Row, encode_key, parse_run_id
from optifire.store.swap import refuse_half_swapped
from optifire.store.trouble import store_error

if TYPE_CHECKING:
    from pathlib import Path

Params = Sequence[object] | Mapping[str, object]


#: Rows that are in memory at a time where there may be many.
_PAGE = 10_000


class LedgerFile:
    """One aiosqlite connection; every error of SQLite becomes a `StoreError` naming the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: aiosqlite.Connection | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect and check what is there.

        Raises `StoreError` when there is no ledger, or none of the version that this program reads.
        """
        if not self.path.exists():
            refuse_half_swapped(self.path)
            raise StoreError(
                "there is no ledger here",
                where=str(self.path),
                remedy="Start the service once, or name another file",
            )
        try:
            self._connection = await aiosqlite.connect(
                reader_uri(self.path), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
            )
            await self._check()
        except sqlite3.Error as error:
            await self.close()
            raise store_error(self.path, error) from error
        except BaseException:
            await self.close()
            raise

    async def _check(self) -> None:
        application = (await self.rows("PRAGMA application_id"))[0][0]
        version = (await self.rows("PRAGMA user_version"))[0][0]
        newest = migrations()[-1].version
        if application == version == 0 and not await self.rows("SELECT 1 FROM sqlite_schema"):
            raise StoreError(
                "the ledger is still being made",
                where=str(self.path),
                remedy="Ask again in a moment",
            )
        if application != APPLICATION_ID:
            raise StoreError(
                "this file is not a ledger of OptiFIRE",
                where=str(self.path),
                remedy="Name another file",
            )
        check_version(version, newest, self.path)
        if version < newest:
            raise StoreError(
                f"the ledger has version {version}, this program reads version {newest}",
                where=str(self.path),
                remedy="Start the service on it once: that brings it up to date",
            )

    async def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Give all rows of a query."""
        if self._connection is None:
            raise StoreError("the ledger is not open for reading", where=str(self.path))
        given: Any = params  # sqlite3 takes mappings too, aiosqlite's annotation does not say so
        try:
            return [tuple(row) for row in await self._connection.execute_fetchall(sql, given)]
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    async def pages(self, sql: str, params: Params = ()) -> AsyncGenerator[list[Row]]:
        """Give the rows of a query some thousands at a time: all of them may be a year's."""
        if self._connection is None:
            raise StoreError("the ledger is not open for reading", where=str(self.path))
        given: Any = params  # as above
        try:
            async with self._connection.execute(sql, given) as cursor:
                while found := await cursor.fetchmany(_PAGE):
                    yield cast("list[Row]", found)
        except sqlite3.Error as error:
            raise store_error(self.path, error) from error

    async def number_of(self, run_id: str) -> int | None:
        """Give the number of a run, None when there is no such run."""
        key = parse_run_id(run_id)
        if key is None:
            return None
        found = await self.rows(query("id_of"), encode_key(key))
        return int(found[0][0]) if found else None

    async def close(self) -> None:
        """Let the file go; closing twice is fine."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class OpenFile:
    """What reads one ledger file inside ``async with``."""

    def __init__(self, path: Path) -> None:
        self._file = LedgerFile(path)

    async def __aenter__(self) -> Self:
        await self._file.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._file.close()
