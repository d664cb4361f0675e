"""Writes down in which order things became durable, in the transaction in which they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from optifire.store.queries import Insert, query
from optifire.store.rows import ID, STATUS, Row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

#: The newest rows that stay: weeks of some minutely jobs, and 2 MB.
KEPT: Final = 65_536
#: Rows after which the oldest are looked at again.
STRIDE: Final = 1_024
#: Places in an event's tuple.
_EVENT_SEQ, _EVENT_RUN = 0, 8

ROWS = Insert("put_journal", 5)


class Journal:
    """Numbers what a transaction writes; one hole would make a reader miss something unseen.

    Parameters
    ----------
    connection
        The writer's, inside a transaction whenever `write` is called.
    kept, stride
        So many of the newest rows stay, and so many may come before older ones are removed.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, kept: int = KEPT, stride: int = STRIDE
    ) -> None:
        self._connection = connection
        self._kept = kept
        self._stride = stride
        self._last = 0

    def reload(self) -> None:
        """Learn what the file holds: at the start, and after a rollback."""
        self._last = self._connection.execute(query("last_journal")).fetchone()[0]

    def write(self, runs: Sequence[Row], events: Sequence[Row], notes: int) -> None:
        """Add the runs that started or ended, the events, and the latest so many notes."""
        last = self._last
        rows: list[Row] = []
        for run in runs:
            if run[STATUS] != "due":  # expected, which is no news
                last += 1
                rows.append((last, run[ID], run[STATUS], None, None))
        for event in events:
            last += 1
            rows.append((last, event[_EVENT_RUN], None, event[_EVENT_SEQ], None))
        if notes:
            latest = self._connection.execute(query("last_note")).fetchone()[0]
            for note in range(latest - notes + 1, latest + 1):
                last += 1
                rows.append((last, None, None, None, note))
        ROWS.run(self._connection, rows)
        if last // self._stride != self._last // self._stride:
            self._connection.execute(query("trim_journal"), (last - self._kept,))
        self._last = last
