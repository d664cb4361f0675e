"""The statements of queries.sql by name, and inserting many rows by one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

#: The most rows one statement takes: 128 x 28 parameters stay far below SQLite's 32,766.
MOST_ROWS = 128

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries() -> Mapping[str, str]:
    """Give every statement by its name."""
    text = files("optifire.store").joinpath("queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def query(name: str) -> str:
    """Give one statement."""
    return queries()[name]


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT of queries.sql whose ``{rows}`` takes any number of tuples of ``width`` values."""

    name: str
    width: int

    def run(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> int:
        """Write the rows in their order; gives how many were inserted or updated."""
        changed, at = 0, 0
        while at < len(rows):
            size = min(MOST_ROWS, 1 << ((len(rows) - at).bit_length() - 1))
            flat: list[Any] = []
            for row in rows[at : at + size]:
                flat += row
            changed += connection.execute(_sized(self.name, self.width, size), flat).rowcount
            at += size
        return changed


@lru_cache(maxsize=256)
def _sized(name: str, width: int, size: int) -> str:
    """Spell the statement for so many rows; sizes are powers of two, so few are ever prepared."""
    row = f"({', '.join('?' * width)})"
    return query(name).replace("{rows}", ", ".join([row] * size))
