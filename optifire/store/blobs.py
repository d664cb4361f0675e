"""Values above 64 KB as files named by their SHA-256: written once, removed with their last row."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from optifire.core.errors import StoreError
from optifire.core.types import Encoded

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def blobs_of(path: Path) -> Path:
    """Give the folder of the large values of a ledger: ``blobs/<name>`` beside it.

    Each ledger has its own: no other one can tell when its last row is gone.
    """
    return path.parent / "blobs" / path.stem


class BlobFiles:
    """The files of one ledger's large values."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_all(self, values: Iterable[bytes]) -> dict[str, int]:
        """Write what is not there yet, durably; gives hash -> size.

        Called before the transaction whose rows speak of them, so that no row is without a file.
        """
        sizes: dict[str, int] = {}
        fresh = False
        for value in values:
            name = hash_of(value)
            if name not in sizes:
                sizes[name] = len(value)
                fresh |= self._put(name, value)
        if fresh:
            _sync_folder(self._folder)
        return sizes

    def _put(self, name: str, value: bytes) -> bool:
        target = self._folder / name
        if target.exists() and target.stat().st_size == len(value):
            return False
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f".{name}.part"
        part.touch(mode=0o600)
        with part.open("wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        return True

    def read(self, name: str) -> Encoded:
        """Give one value; raises `StoreError` when its file is gone."""
        try:
            return Encoded((self._folder / name).read_bytes())
        except OSError as error:
            raise StoreError(
                f"a large value cannot be read ({error})",
                where=str(self._folder / name),
                remedy="Restore the folder from the same backup as the ledger",
            ) from error

    def remove(self, names: Iterable[str]) -> None:
        """Delete files; those already gone are fine."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> None:
        """Delete what no row speaks of: left over when a commit did not happen."""
        if self._folder.is_dir():
            self.remove(entry.name for entry in self._folder.iterdir() if entry.name not in known)


def hash_of(value: bytes) -> str:
    """Give the name of a value's file."""
    return hashlib.sha256(value).hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (fsync of a file covers its bytes, not its name)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
