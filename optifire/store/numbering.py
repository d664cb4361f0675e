"""The numbers of runs: which are open, and which number a run id means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.core.errors import NeverWrittenError
from optifire.store.queries import query
from optifire.store.rows import (
    DUE,
    HELD,
    KIND,
    PLUGIN_ID,
    STATUS,
    Row,
    decode_key,
    encode_key,
    parse_run_id,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from optifire.core.types import RunId

#: Microseconds of the weeks of plugin_weeks, counted from the epoch.
WEEK_US = 604_800_000_000

_OPEN = frozenset({"due", "running"})


class Numbering:
    """Gives new runs their numbers and knows those of the runs that have not ended."""

    def __init__(self, connection: sqlite3.Connection, where: str) -> None:
        self._connection = connection
        self._where = where
        self._open: dict[RunId, int] = {}
        #: Runs of the transaction at work.
        self._mine: dict[RunId, int] = {}
        self._last = 0
        #: Plugin -> twice the week last written down for it, plus one when scheduled.
        self._weeks: dict[str, int] = {}
        #: What runs are held to -> its number, and those that are not written down yet.
        self._held: dict[str | None, int | None] = {}
        self._fresh_held: list[Row] = []
        self.reload()

    def reload(self) -> None:
        """Learn what the file holds: at the start, and after a rollback."""
        self._open = {
            decode_key(row).run_id: row[4] for row in self._connection.execute(query("open_ids"))
        }
        self._last = self._connection.execute(query("last_id")).fetchone()[0]
        self._weeks.clear()
        self._held = {None: None, **dict(self._connection.execute(query("held")))}
        self._fresh_held = []
        self._mine = {}

    def number(self, runs: Sequence[tuple[RunId, Row]]) -> list[Row]:
        """Give the rows of one transaction with their numbers.

        A run that has ended before cannot be numbered again: inside the transaction that is seen
        here, otherwise by the unique key.
        """
        self._mine = mine = {}
        opened = self._open
        held = self._held
        numbered: list[Row] = []
        for run_id, row in runs:
            number = opened.get(run_id)
            if number is None:
                if run_id in mine:
                    raise self.ended(run_id)
                self._last = number = self._last + 1
            mine[run_id] = number
            if row[STATUS] in _OPEN:
                opened[run_id] = number
            else:
                opened.pop(run_id, None)
            text = row[HELD]
            numbered.append((*row[:HELD], held[text] if text in held else self._hold(text), number))
        return numbered

    def _hold(self, text: str) -> int:
        """Give what no run before was held to a number."""
        number = self._held[text] = len(self._held)
        self._fresh_held.append((number, text))
        return number

    def fresh_held(self) -> list[Row]:
        """Give the (number, text) that this transaction has to write down."""
        fresh, self._fresh_held = self._fresh_held, []
        return fresh

    def weeks(self, numbered: Sequence[Row]) -> list[Row]:
        """Give the (plugin, week, scheduled) that may not be written down yet."""
        fresh: list[Row] = []
        known = self._weeks
        for row in numbered:
            scheduled = row[KIND] == "scheduled"
            seen = 2 * (row[DUE] // WEEK_US) + scheduled
            if known.get(row[PLUGIN_ID]) != seen:
                known[row[PLUGIN_ID]] = seen
                fresh.append((row[PLUGIN_ID], seen // 2, scheduled))
        return fresh

    def of(self, run_id: RunId) -> int:
        """Give the number of a run of this transaction, of an open or of an older one.

        Raises `NeverWrittenError` when there is no such run.
        """
        number = self._mine.get(run_id) or self._open.get(run_id)
        return self._stored(run_id)[0] if number is None else number

    def _stored(self, run_id: RunId) -> tuple[int, str]:
        key = parse_run_id(run_id)
        found: tuple[int, str] | None = None
        if key is not None:
            found = self._connection.execute(query("id_of"), encode_key(key)).fetchone()
        if found is None:
            raise NeverWrittenError(
                f"there is no run {run_id} that this could belong to",
                where=self._where,
                remedy="Write the run first; report this as a bug",
            )
        return found

    def ended(self, run_id: RunId) -> NeverWrittenError:
        """Give the error of a run that has ended and was to be changed."""
        return NeverWrittenError(
            f"the run {run_id} has ended and cannot change",
            where=self._where,
            remedy="Terminal statuses never change; report this as a bug",
        )

    def first_ended(self, runs: Sequence[tuple[RunId, Row]]) -> NeverWrittenError | None:
        """Name the first of these runs that has ended, outside a transaction."""
        for run_id, row in runs:
            found = self._connection.execute(query("id_of"), row[:4]).fetchone()
            if found is not None and found[1] not in _OPEN:
                return self.ended(run_id)
        return None
