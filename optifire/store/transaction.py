"""One transaction of the ledger: what is written, in which order, and what refuses it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from optifire.core.errors import NeverWrittenError
from optifire.core.run import Failure
from optifire.core.types import RunId
from optifire.store import codec, rows
from optifire.store.blobs import BlobFiles, hash_of
from optifire.store.journalling import Journal
from optifire.store.numbering import Numbering
from optifire.store.pruning import Pruner
from optifire.store.queries import Insert, query
from optifire.store.rows import BLOB_LIMIT
from optifire.store.tables import TableWriter, TransactionLostError, prune_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from optifire.store.guard import Guard
    from optifire.store.packed import Packed

RUNS = Insert("put_runs", 29)
HELD = Insert("put_held", 2)
ATTEMPTS = Insert("put_attempts", 14)
BLOBS = Insert("put_blobs", 2)
RUN_BLOBS = Insert("put_run_blobs", 3)
WEEKS = Insert("put_weeks", 3)
WRITES = Insert("put_writes", 2)
VALUES = Insert("put_values", 8)
EVENTS = Insert("put_events", 9)
LOGS = Insert("put_logs", 3)
NOTES = Insert("put_notes", 4)
CONFIGS = Insert("put_configs", 4)
META = Insert("put_meta", 2)
OWNERS = Insert("put_owners", 2)

#: Run id -> why its table writes were refused.
Failures = dict[RunId, Failure]


class Transactor:
    """Writes packed batches on one connection, each call one transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        guard: Guard,
        blobs: BlobFiles,
        path: Path,
        *,
        journal: bool = True,
    ) -> None:
        self.start = 0
        self._held = False
        self._connection = connection
        self._guard = guard
        self._tables = TableWriter(connection, guard)
        self._blobs = blobs
        self._path = path
        self._replaced = False
        self._numbers = Numbering(connection, str(path))
        self._pruner = Pruner(connection, blobs, str(path))
        self._journal = Journal(connection) if journal else None
        self._reload()

    def _reload(self) -> None:
        """Learn again what the file holds: at the start, and after a rollback."""
        self._guard.owners.clear()
        self._guard.owners.update(self._connection.execute(query("owners")).fetchall())
        self._numbers.reload()
        self._pruner.rolled_back()
        if self._journal is not None:
            self._journal.reload()
        names = self._connection.execute(query("context_blob_names"))
        self._names_with_blobs = {name for (name,) in names}

    def commit(self, packed: Packed, *, hold: bool = False) -> Failures:
        """Write everything; gives the runs whose table writes were refused.

        With ``hold`` the transaction stays open for the next call. Raises `StoreError` or
        `sqlite3.Error`; then nothing of it was written, nor of what was held open.
        """
        sizes = self._blobs.put_all(_large(packed))
        failures: Failures = {}
        while True:
            try:
                return self._attempt(packed, sizes, failures, hold=hold)
            except TransactionLostError as lost:
                self._reload()
                if self._held:
                    self._held = False
                    raise
                failures[lost.run_id] = lost.failure
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.rollback()
                self._held = False
                self._reload()
                ended = self._numbers.first_ended(packed.runs) if _is_double(error) else None
                if ended is not None:
                    raise ended from error
                raise

    def _attempt(
        self, packed: Packed, sizes: Mapping[str, int], known: Failures, *, hold: bool
    ) -> Failures:
        if not self._held:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check_fence()
        failures = self._write_tables(packed, known) if packed.writes else {}
        runs = self._write_runs(packed, sizes, failures)
        events = self._write_rest(packed, failures)
        if self._journal is not None:
            self._journal.write(runs, events, len(packed.notes))
        if packed.pruned:  # last: what this transaction writes may need the same large values
            self._pruner.prune(packed.pruned)
        prune_rows(self._connection, packed.pruned_rows)
        self._held = hold
        if not hold:
            self._connection.execute("COMMIT")
            self._pruner.committed()
        self._note_blobs(packed)
        return failures

    def _check_fence(self) -> None:
        latest = self._connection.execute(query("latest_start")).fetchone()[0]
        if latest != self.start:
            raise NeverWrittenError(
                f"start {latest} of the service has taken over; this is start {self.start}",
                where=str(self._path),
                remedy="End this process: the newer service has the ledger",
            )

    def _write_tables(self, packed: Packed, known: Failures) -> Failures:
        """Apply plugins' writes; ``known`` are those that must not be tried again."""
        failures = dict(known)
        before = set(self._guard.owners)
        for writes in packed.writes:
            if writes.run_id not in failures:
                failure = self._tables.apply(writes)
                if failure is not None:
                    failures[writes.run_id] = failure
        fresh = [item for item in self._guard.owners.items() if item[0] not in before]
        OWNERS.run(self._connection, fresh)
        return failures

    def _write_runs(
        self, packed: Packed, sizes: Mapping[str, int], failures: Failures
    ) -> Sequence[rows.Row]:
        """Write runs and attempts; gives the runs with their numbers."""
        runs = packed.runs
        if failures:
            runs = _with_failures(runs, failures, rows.failed_run)
        numbered = self._numbers.number(runs)
        HELD.run(self._connection, self._numbers.fresh_held())
        RUNS.run(self._connection, numbered)
        WEEKS.run(self._connection, self._numbers.weeks(numbered))
        if packed.attempts:
            self._write_attempts(_with_failures(packed.attempts, failures, rows.failed_attempt))
        BLOBS.run(self._connection, list(sizes.items()))
        large = [entry for entry in packed.large if entry[0] not in failures]
        RUN_BLOBS.run(
            self._connection,
            [(self._numbers.of(run), name, hash_of(value)) for run, name, value in large],
        )
        return numbered

    def _write_attempts(self, attempts: Sequence[tuple[RunId, rows.Row]]) -> None:
        given = [(*row, self._numbers.of(run_id), self.start) for run_id, row in attempts]
        if ATTEMPTS.run(self._connection, given) != len(given):
            raise NeverWrittenError(
                f"an attempt that has ended cannot change: one of {[run for run, _ in attempts]}",
                where=str(self._path),
                remedy="Terminal statuses never change; report this as a bug",
            )

    def _write_rest(self, packed: Packed, failures: Failures) -> Sequence[rows.Row]:
        """Write all that is no run; gives the events as they were written."""
        connection, of = self._connection, self._numbers.of
        writes = [entry for entry in packed.writes if entry.run_id not in failures]
        values = [entry for entry in packed.values if entry.run_id not in failures]
        events = [entry for entry in packed.events if entry.run_id not in failures]
        if writes:
            WRITES.run(
                connection, [(of(w.run_id), codec.encode_statements(w.statements)) for w in writes]
            )
        if values:
            VALUES.run(connection, [rows.encode_value(v, _blob(v.value)) for v in values])
        published = [(*rows.encode_event(e, _blob(e.data)), of(e.run_id)) for e in events]
        EVENTS.run(connection, published)
        LOGS.run(connection, [(log.attempt, log.text, of(log.run_id)) for log in packed.logs])
        NOTES.run(connection, packed.notes)
        CONFIGS.run(connection, packed.configs)
        META.run(connection, packed.meta)
        if packed.taken:
            connection.executemany(query("take_events"), packed.taken)
        return published

    def _note_blobs(self, packed: Packed) -> None:
        """Remember which values have files, and whether one of those was just replaced."""
        self._replaced |= any(value.name in self._names_with_blobs for value in packed.values)
        self._names_with_blobs.update(
            value.name for value in packed.values if len(value.value) > BLOB_LIMIT
        )

    def sweep_replaced(self) -> None:
        """Remove files whose last row is gone, with its run or because a value was replaced."""
        self._pruner.remove_files()
        if self._replaced:
            self.sweep()
            self._replaced = False

    def sweep(self) -> None:
        """Remove large values that no row speaks of any more."""
        gone = self._connection.execute(query("unused_blobs")).fetchall()
        self._blobs.remove(name for (name,) in gone)


def _is_double(error: BaseException) -> bool:
    return isinstance(error, sqlite3.IntegrityError)


def _large(packed: Packed) -> list[bytes]:
    found: list[bytes] = [value for _, _, value in packed.large]
    found += [value.value for value in packed.values if len(value.value) > BLOB_LIMIT]
    found += [event.data for event in packed.events if len(event.data) > BLOB_LIMIT]
    return found


def _blob(value: bytes) -> str | None:
    return hash_of(value) if len(value) > BLOB_LIMIT else None


def _with_failures(
    given: Sequence[tuple[RunId, rows.Row]],
    failures: Failures,
    fail: Callable[[rows.Row, Failure], rows.Row],
) -> Sequence[tuple[RunId, rows.Row]]:
    return [
        (run_id, fail(row, failures[run_id]) if run_id in failures else row)
        for run_id, row in given
    ]
