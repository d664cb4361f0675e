"""Files and names that are there after a power cut."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Final

#: Why a second name of a file cannot be made: another disk, or none that knows them.
_NO_LINKS: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES}
)


def sync(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, text: bytes) -> None:
    """Write a file of mode 0600; its name is durable when its folder has been synced."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file as one of mode 0600."""
    with (
        source.open("rb") as given,
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
    ):
        shutil.copyfileobj(given, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file that never changes a second name, or copy it where that cannot be.

    Raises `FileNotFoundError` when there is no such file.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        copy_durably(source, target)


def sync_tree(folder: Path) -> None:
    """Make the names in a folder and in all below it durable."""
    for each, _, _ in os.walk(folder, topdown=False):
        sync(Path(each))
