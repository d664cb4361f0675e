"""When the write-ahead log is copied into the ledger, so that it begins anew and stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

#: All is copied when about so many pages have gone to the log and no point in time is held; what
#: can be copied is, while one is, after about so many.
ENOUGH: Final = 1500
MUCH: Final = 2 * ENOUGH
#: Where not all could be copied, it is tried again after so many more.
AGAIN: Final = 100
#: Bytes that the file of the log keeps for the next round; a longer one is cut (SQLite's
#: ``journal_size_limit``, https://www.sqlite.org/pragma.html#pragma_journal_size_limit).
MOST_BYTES: Final = 16 * 2**20


class Checkpoints:
    """Copies the log between two transactions, at a moment at which all of it can be copied.

    A point in time that is held keeps what came after it from being copied, and the log begins
    anew only when nothing is left of it (https://www.sqlite.org/wal.html, 6). Each cycle holds
    one; who copies behind whichever commit comes to the number may never meet a gap between them.

    Parameters
    ----------
    connection
        The writer's.
    held
        Gives how many points in time are held now.
    """

    def __init__(self, connection: sqlite3.Connection, held: Callable[[], int]) -> None:
        connection.execute(f"PRAGMA journal_size_limit = {MOST_BYTES}").fetchone()
        self._connection = connection
        self._held = held
        #: Pages since all was copied, and how many of them there were at the latest try.
        self._pages = 0
        self._tried = 0

    def wrote(self, pages: int) -> None:
        """Take in that about so many pages went to the log; copy it when it is time.

        Raises
        ------
        sqlite3.Error
            It cannot be copied now; it is tried again the next time.
        """
        self._pages += pages
        held = self._held() > 0
        wait = MUCH if held else AGAIN if self._tried else ENOUGH
        if self._pages - self._tried < wait:
            return
        found = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        busy, length, copied = found
        if held or busy or copied < length:
            self._tried = self._pages
        else:
            self._pages = self._tried = 0
