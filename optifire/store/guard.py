"""What a plugin's SQL may touch: an authorizer that SQLite asks while it prepares a statement."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optifire.core.types import fold_id

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Tables that all plugins share; each has a trigger ``fill_<name>`` in queries.sql.
SHARED = frozenset({"features", "signals", "metrics"})
#: The function by which the filling triggers learn whose run it is.
FILL = "host_fill"

_BASES = frozenset(f"shared_{name}" for name in SHARED)
_TRIGGERS = frozenset(f"fill_{name}" for name in SHARED)
_READABLE = _BASES | SHARED | {"json_each", "json_tree"}

#: Clock and chance, and what depends on the connection's past: no run would replay alike.
_UNSTABLE = frozenset(
    {
        "random",
        "randomblob",
        "date",
        "time",
        "datetime",
        "julianday",
        "unixepoch",
        "strftime",
        "timediff",
        "current_date",
        "current_time",
        "current_timestamp",
        "changes",
        "total_changes",
        "last_insert_rowid",
        "load_extension",
        "fts3_tokenizer",
    }
)
_UNSTABLE_TEXT = re.compile(
    r"\b(current_(?:date|time|timestamp))\b|[\"`\[]?\b("
    + "|".join(sorted(_UNSTABLE))
    + r")\b[\"`\]]?\s*\(",
    re.IGNORECASE,
)
_REFERENCES = re.compile(r"\breferences\s+[\"`\[]?(\w+)", re.IGNORECASE)
_LITERALS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)

#: A plugin's statement is stopped after this many steps of SQLite's machine (about a second).
MOST_STEPS = 50_000_000
_STEPS_A_CALL = 100_000

_OK, _DENY = sqlite3.SQLITE_OK, sqlite3.SQLITE_DENY
_ALWAYS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_CHANGES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_SCHEMAS = frozenset({"sqlite_master", "sqlite_temp_master"})
_ACTIONS = {
    sqlite3.SQLITE_ATTACH: "ATTACH or VACUUM",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_TRANSACTION: "a transaction of its own",
    sqlite3.SQLITE_SAVEPOINT: "a savepoint of its own",
    sqlite3.SQLITE_CREATE_TRIGGER: "CREATE TRIGGER",
    sqlite3.SQLITE_CREATE_VIEW: "CREATE VIEW",
    sqlite3.SQLITE_DROP_TABLE: "DROP TABLE",
    sqlite3.SQLITE_DROP_INDEX: "DROP INDEX",
    sqlite3.SQLITE_ALTER_TABLE: "ALTER TABLE",
    sqlite3.SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "a temporary table",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "a temporary index",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "a temporary trigger",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "a temporary view",
    sqlite3.SQLITE_ANALYZE: "ANALYZE",
    sqlite3.SQLITE_INSERT: "inserting into",
    sqlite3.SQLITE_UPDATE: "updating",
    sqlite3.SQLITE_DELETE: "deleting from",
    sqlite3.SQLITE_READ: "reading",
    sqlite3.SQLITE_CREATE_TABLE: "creating",
    sqlite3.SQLITE_CREATE_INDEX: "creating",
}


class Guard:
    """The authorizer and step counter of one connection; the host's own statements pass.

    Attributes
    ----------
    owners
        Table name -> folded id of the plugin that made it.
    created
        Tables that the plugin at work has made since `watch` began.
    denied
        What the last refused statement was refused for.
    add_only
        Whether the statement at work is that of a backfill, which may only add to shared tables.
    """

    def __init__(self, owners: dict[str, str] | None = None) -> None:
        self.owners: dict[str, str] = {} if owners is None else owners
        self.created: list[str] = []
        self.denied = ""
        self.add_only = False
        self._plugin = ""
        self._sql = ""
        self._active = False
        self._writing = False
        self._steps = 0

    def install(self, connection: sqlite3.Connection) -> None:
        """Put the guard on a connection, once: setting it again would expire its statements."""
        connection.set_authorizer(self._authorize)
        connection.set_progress_handler(self._progress, _STEPS_A_CALL)

    @contextmanager
    def watch(
        self, plugin_id: str, sql: str, *, writing: bool, add_only: bool = False
    ) -> Iterator[None]:
        """Hold a statement to what this plugin may do ("" may read all plugins' tables)."""
        self.add_only = add_only
        self._plugin, self._sql, self._writing = fold_id(plugin_id), sql, writing
        self.created, self.denied, self._steps = [], "", 0
        self._active = True
        try:
            yield
        finally:
            self._active = False

    def stop(self) -> None:
        """End the statement at work as if it had used up its steps."""
        self._steps = MOST_STEPS

    @property
    def exhausted(self) -> bool:
        """Whether the statement was stopped for its length."""
        return self._steps >= MOST_STEPS

    def _progress(self) -> int:
        if not self._active:
            return 0
        self._steps += _STEPS_A_CALL
        return int(self._steps >= MOST_STEPS)

    def _authorize(
        self,
        action: int,
        first: str | None,
        second: str | None,
        database: str | None,
        source: str | None,
    ) -> int:
        if not self._active or action in _ALWAYS:
            return _OK
        if action in _CHANGES and first in _SCHEMAS:
            return _OK  # how SQLite itself declares tables; a plugin's own attempt it refuses
        if self._allowed(action, first or "", second or "", source or "") and database != "temp":
            return _OK
        if not self.denied:
            self.denied = self._describe(action, first or "", second or "")
        return _DENY

    def _allowed(self, action: int, first: str, second: str, source: str) -> bool:
        if action == sqlite3.SQLITE_FUNCTION:
            return self._function_allowed(second.lower(), source)
        table = first.lower()
        if action == sqlite3.SQLITE_READ:
            if first in _SCHEMAS:
                return second == "ROWID"  # as above
            return table in _READABLE or self._own(table)
        return self._writing and self._write_allowed(action, table, second.lower(), source)

    def _function_allowed(self, name: str, source: str) -> bool:
        if name == FILL:
            return source in _TRIGGERS
        return name not in _UNSTABLE and not name.startswith("sqlite_")

    def _write_allowed(self, action: int, table: str, second: str, source: str) -> bool:
        if action == sqlite3.SQLITE_INSERT:
            filled = table in _BASES and source in _TRIGGERS
            return filled or table in SHARED or (self._own(table) and not self.add_only)
        if self.add_only:
            return False
        if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE):
            return self._own(table)
        if action == sqlite3.SQLITE_CREATE_TABLE:
            return table == "sqlite_sequence" or self._claim(table)
        if action == sqlite3.SQLITE_CREATE_INDEX:
            return self._own(second) and (table.startswith("sqlite_autoindex_") or self._own(table))
        return action == sqlite3.SQLITE_REINDEX and self._own(table)

    def _own(self, name: str) -> bool:
        if not self._plugin:
            return name.startswith("p_")
        return (
            name.startswith(f"p_{self._plugin}_")
            and self.owners.get(name, self._plugin) == self._plugin
        )

    def _claim(self, table: str) -> bool:
        if not self._own(table):
            return False
        self.denied = unstable_text(self._sql)
        if self.denied:
            return False
        self.created.append(table)
        return True

    def _describe(self, action: int, first: str, second: str) -> str:
        if action == sqlite3.SQLITE_FUNCTION:
            return f"the function {second}()"
        what = _ACTIONS.get(action, f"action {action}")
        named = first if what[0].islower() and not what.startswith("a ") else ""
        return f"{what} {named}".strip()


def unstable_text(sql: str) -> str:
    """Name what a CREATE TABLE must not hold, which SQLite does not ask the authorizer about.

    Defaults are compiled into later inserts unasked; foreign keys would bind the ledger's rows.
    """
    bare = _LITERALS.sub(" ", sql)
    found = _UNSTABLE_TEXT.search(bare)
    if found:
        return f"the function {(found[1] or found[2]).lower()}()"
    target = _REFERENCES.search(bare)
    if target and not target[1].lower().startswith("p_"):
        return f"a reference to {target[1]}"
    return ""
