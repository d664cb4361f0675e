"""One service per ledger: a lock on a file beside it that says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from typing import TYPE_CHECKING

from optifire.core.errors import LockedError, StoreError, UnfitError
from optifire.store.codec import iso

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


#: The first bytes of every SQLite database (https://sqlite.org/fileformat.html, section 1.3).
_MAGIC = b"SQLite format 3\0"


class LedgerLock:
    """The lock of one ledger, freed by the kernel when its holder dies."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._path = ledger.with_name(f"{ledger.name}.lock")
        self._handle: int | None = None

    def take(self, now: datetime) -> None:
        """Take the lock and write down who holds it, since when.

        Raises `LockedError` naming the holder when another service has it.
        """
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"the lock cannot be taken ({error.strerror})",
                where=str(self._path),
                remedy="Make the folder writable for this user",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 4096, 0)
            os.close(handle)
            raise self._refusal(holder) from error
        self._handle = handle
        holder_now = {"pid": os.getpid(), "host": socket.gethostname(), "since": iso(now)}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder_now).encode(), 0)

    def check_file(self) -> None:
        """Raise `StoreError` for what cannot be a ledger, before a lock is left beside it."""
        if self._ledger.is_dir():
            what = "this is a folder"
        elif not self._ledger.exists() or self._ledger.stat().st_size == 0:
            return
        else:
            with self._ledger.open("rb") as file:
                if file.read(len(_MAGIC)) == _MAGIC:
                    return
            what = "this file is not a SQLite database"
        raise UnfitError(
            f"{what}, so it cannot be a ledger",
            where=str(self._ledger),
            remedy="Name another file, or restore the ledger from a backup",
        )

    def _refusal(self, written: bytes) -> LockedError:
        try:
            holder = json.loads(written)
            who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
        except (ValueError, KeyError, TypeError):  # taken a moment ago, not written down yet
            who = "a service that is just starting"
        return LockedError(
            f"the ledger is held by {who}",
            where=str(self._ledger),
            remedy="Stop that service first, or choose another home or --db",
        )

    def release(self) -> None:
        """Let the ledger go; the file stays, since removing it would race with the next taker."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
