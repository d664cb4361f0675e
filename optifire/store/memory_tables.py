"""Plugins' tables in memory, and points in time of them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from optifire.core.errors import StoreError
from optifire.store.guard import Guard
from optifire.store.migrate import migrations
from optifire.store.snapshot import Reading
from optifire.store.tables import TableWriter, TransactionLostError, prune_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.ledger import SharedRow, TableWrites
    from optifire.core.run import Failure
    from optifire.core.types import Encoded, RunId

_WHERE = "the ledger in memory"


class MemorySnapshot:
    """The tables at one point; a copy is made only when they are about to change."""

    def __init__(self, source: sqlite3.Connection) -> None:
        self._source = source
        self._reading: Reading | None = None
        self.closed = False

    def pin(self) -> None:
        """Copy the tables, because they are about to change."""
        if self._reading is None and not self.closed:
            copy = sqlite3.connect(
                ":memory:",
                isolation_level=None,
                check_same_thread=False,  # the collector may close it
            )
            self._source.backup(copy)
            self._reading = Reading(copy, _WHERE)

    async def fetch(self, sql: str, params: Encoded, *, one: bool, plugin_id: str = "") -> Encoded:
        """Answer one query; raises `ContractError` naming the statement."""
        if self.closed:
            raise StoreError("the point in time has been let go", remedy="Fetch during the run")
        self.pin()
        assert self._reading is not None  # noqa: S101 - pin() made it
        return self._reading.query(sql, params, one=one, plugin_id=plugin_id)

    async def close(self) -> None:
        """Let the copy go."""
        self.closed = True
        if self._reading is not None:
            self._reading.connection.close()
            self._reading = None

    def __del__(self) -> None:
        if self._reading is not None:
            self._reading.connection.close()


class MemoryTables:
    """The plugin tables of one `MemoryStore`."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            check_same_thread=False,  # the collector may close it
        )
        for step in migrations():
            self._connection.executescript(step.sql)
        self._guard = Guard()
        self._guard.install(self._connection)
        self._writer = TableWriter(self._connection, self._guard)
        self._points: list[MemorySnapshot] = []

    def prune(self, given: Sequence[SharedRow]) -> None:
        """Remove rows of shared tables."""
        if given:
            self._pin()
            prune_rows(self._connection, given)

    def _pin(self) -> None:
        """Let points in time keep what is about to change."""
        for point in self._points:
            point.pin()
        self._points.clear()

    def apply(self, writes: Sequence[TableWrites]) -> dict[RunId, Failure]:
        """Apply the writes of several runs; gives those that were refused."""
        failures: dict[RunId, Failure] = {}
        if not any(entry.statements for entry in writes):
            return failures
        self._pin()
        owners = dict(self._guard.owners)
        while True:
            try:
                return self._attempt(writes, dict(failures))
            except TransactionLostError as lost:
                failures[lost.run_id] = lost.failure
                self._guard.owners.clear()
                self._guard.owners.update(owners)

    def _attempt(
        self, writes: Sequence[TableWrites], failures: dict[RunId, Failure]
    ) -> dict[RunId, Failure]:
        self._connection.execute("BEGIN")
        for entry in writes:
            if entry.run_id not in failures:
                failure = self._writer.apply(entry)
                if failure is not None:
                    failures[entry.run_id] = failure
        self._connection.execute("COMMIT")
        return failures

    def snapshot(self) -> MemorySnapshot:
        """Give a point in time: now."""
        self._points = [point for point in self._points if not point.closed]
        point = MemorySnapshot(self._connection)
        self._points.append(point)
        return point

    def __del__(self) -> None:
        self._connection.close()
