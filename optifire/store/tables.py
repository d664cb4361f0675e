"""Plugins' writes to tables: one savepoint a run, held to what the guard allows."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from optifire.core.errors import ContractError
from optifire.core.run import Failure
from optifire.core.types import Encoded, RunId, fold_id
from optifire.store import codec
from optifire.store.guard import FILL, SHARED, Guard
from optifire.store.queries import query
from optifire.store.trouble import is_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.core.ledger import SharedRow, Statement, TableWrites

#: What a plugin's statement or its parameters can make Python or SQLite raise.
STATEMENT_ERRORS = (
    sqlite3.Error,
    sqlite3.Warning,
    ValueError,
    TypeError,
    OverflowError,
    UnicodeError,
    codec.DecodeError,
)

_LONGEST_SHOWN = 300
#: Keeps the prepared statements of backfills apart, which may do less.
ADD_ONLY = " add only"


class TransactionLostError(Exception):
    """A plugin's statement ended the whole transaction; it must be done again without that run."""

    def __init__(self, run_id: RunId, failure: Failure) -> None:
        super().__init__(failure.message)
        self.run_id = run_id
        self.failure = failure


class TableWriter:
    """Applies plugins' writes on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection, guard: Guard) -> None:
        self._connection = connection
        self._guard = guard
        self._now: tuple[str, str, str, int] = ("", "", "", 0)
        connection.create_function(FILL, 1, self._fill)
        for name in SHARED:
            connection.execute(query(f"fill_{name}"))

    def _fill(self, which: int) -> str | int:
        return self._now[which]

    def apply(self, writes: TableWrites) -> Failure | None:
        """Apply all statements of a run, or none and give why.

        Raises `TransactionLostError` when a conflict clause rolled everything back.
        """
        self._now = (
            writes.plugin_id,
            writes.run_id,
            codec.iso(writes.at),
            codec.to_us(writes.at),
        )
        self._connection.execute("SAVEPOINT run_writes")
        made: dict[str, str] = {}
        for statement in writes.statements:
            failure = self._execute(writes, statement, made)
            if failure is not None:
                self._undo(writes.run_id, failure)
                for name in made:
                    del self._guard.owners[name]
                return failure
        self._connection.execute("RELEASE run_writes")
        return None

    def _execute(
        self, writes: TableWrites, statement: Statement, made: dict[str, str]
    ) -> Failure | None:
        plugin_id, add_only = writes.plugin_id, writes.add_only
        with self._guard.watch(plugin_id, statement.sql, writing=True, add_only=add_only):
            try:
                mark = ADD_ONLY if add_only else ""
                run_statement(self._connection, plugin_id + mark, statement.sql, statement.params)
            except STATEMENT_ERRORS as error:
                return _failure(plugin_id, statement.sql, error, self._guard)
        owner = fold_id(plugin_id)
        made |= {name: owner for name in self._guard.created if name not in self._guard.owners}
        self._guard.owners.update(made)
        return None

    def _undo(self, run_id: RunId, failure: Failure) -> None:
        if not self._connection.in_transaction:
            raise TransactionLostError(run_id, failure)
        self._connection.execute("ROLLBACK TO run_writes")
        self._connection.execute("RELEASE run_writes")


def prune_rows(connection: sqlite3.Connection, given: Sequence[SharedRow]) -> None:
    """Remove rows of shared tables; those that are not there are left out."""
    for name in sorted(SHARED):
        numbers = [number for table, number in given if table == name]
        if numbers:
            connection.execute(query(f"prune_{name}"), (json.dumps(numbers),))


def run_statement(
    connection: sqlite3.Connection, plugin_id: str, sql: str, params: Encoded
) -> sqlite3.Cursor:
    """Run a plugin's statement.

    The comment in front keeps plugins' prepared statements apart: one that was prepared for
    another plugin would not be asked for again.
    """
    return connection.execute(f"/* {fold_id(plugin_id)} */ {sql}", codec.decode_params(params))


def contract_error(plugin_id: str, sql: str, error: BaseException, guard: Guard) -> ContractError:
    """Say what is wrong with a plugin's statement, naming the statement."""
    shown = sql if len(sql) <= _LONGEST_SHOWN else f"{sql[:_LONGEST_SHOWN]}..."
    if guard.denied and guard.add_only:
        what = f"{guard.denied} is not allowed in a backfill"
        remedy = (
            "A plugin's own tables hold what its latest runs left; a backfill only adds to"
            f" {', '.join(sorted(SHARED))}"
        )
    elif guard.denied:
        what = f"{guard.denied} is not allowed"
        remedy = (
            f"Write only to tables named p_{fold_id(plugin_id)}_*, insert only into"
            f" {', '.join(sorted(SHARED))}, and pass instants and random numbers as parameters"
        )
    elif guard.exhausted:
        what, remedy = "it takes too many steps", "Split it, or add an index"
    else:
        what, remedy = str(error), "Correct the statement or its parameters"
    return ContractError(f"the statement failed: {what}: {shown}", where=plugin_id, remedy=remedy)


def _failure(plugin_id: str, sql: str, error: BaseException, guard: Guard) -> Failure:
    said = contract_error(plugin_id, sql, error, guard)
    if is_environment(error):  # the disk's fault, as far as anybody can tell from here
        return Failure("StoreError", str(said), retryable=True)
    return Failure("ContractError", str(said))
