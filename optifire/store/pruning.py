"""Removes runs that have had their time: what hangs on them goes, a row a day remains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from optifire.core.errors import NeverWrittenError
from optifire.store.queries import query
from optifire.store.rows import encode_key, parse_run_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from optifire.core.types import RunId
    from optifire.store.blobs import BlobFiles

_OPEN = frozenset({"due", "running"})


class Pruner:
    """Removes runs inside the writer's transactions, and afterwards the files of their values."""

    def __init__(self, connection: sqlite3.Connection, blobs: BlobFiles, where: str) -> None:
        self._connection = connection
        self._blobs = blobs
        self._where = where
        #: Files without a row: of the transaction at work, and of those before it.
        self._loose: list[str] = []
        self._gone: list[str] = []

    def prune(self, run_ids: Sequence[RunId]) -> None:
        """Add runs to the roll-ups and remove them with all that hangs on them.

        Those that are not there are left out. Raises `NeverWrittenError` for one that has not
        ended.
        """
        numbers = json.dumps([each for each in map(self._number, run_ids) if each is not None])
        execute = self._connection.execute
        values = [name for (name,) in execute(query("values_of_runs"), (numbers,))]
        execute(query("roll_up"), (numbers,))
        execute(query("prune_runs"), (numbers,))
        if values:
            gone = execute(query("prune_blobs"), (json.dumps(values),)).fetchall()
            self._loose += [name for (name,) in gone]

    def _number(self, run_id: RunId) -> int | None:
        key = parse_run_id(run_id)
        found = None
        if key is not None:
            found = self._connection.execute(query("id_of"), encode_key(key)).fetchone()
        if found is None:
            return None
        number, status = found
        if status in _OPEN:
            raise NeverWrittenError(
                f"the run {run_id} has not ended and stays",
                where=self._where,
                remedy="Only runs that have ended are removed; report this as a bug",
            )
        return int(number)

    def committed(self) -> None:
        """Take down that the transaction at work holds."""
        self._gone += self._loose
        self._loose.clear()

    def rolled_back(self) -> None:
        """Forget what the transaction at work had removed."""
        self._loose.clear()

    def remove_files(self) -> None:
        """Remove the files whose last row is gone.

        What cannot be removed now is left to the next start: a later row may speak of it again.
        """
        gone, self._gone = self._gone, []
        self._blobs.remove(gone)
