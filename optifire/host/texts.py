"""Reading a file that a person writes."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from optifire.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes of such a file, at most: twenty times what five hundred plugins take.
LARGEST = 2 * 2**20


def read_text(file: Path) -> str:
    """Give the text of a file.

    Raises
    ------
    ConfigError
        It cannot be read, is no plain file, is too large, or is not UTF-8; with file and line,
        and nothing of what it holds.
    """
    raw = bytes_of(file)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        # Not from the decoder's error, which holds the bytes: they may be a secret.
        raise ConfigError(
            "is not UTF-8", where=f"{file}:{line}", remedy="Save the file as UTF-8"
        ) from None


def bytes_of(file: Path) -> bytes:
    """Give what a file holds; raises `ConfigError` as `read_text` does, but for what is no text."""
    try:
        _check_form(file)
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(file), remedy="Check path and mode"
        ) from error


def _check_form(file: Path) -> None:
    """Refuse what would never end: a pipe waits for a writer, and a device has no last byte."""
    found = file.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise ConfigError(
            "is a pipe or a device", where=str(file), remedy="Put a plain file in its place"
        )
    if found.st_size > LARGEST:
        raise ConfigError(
            f"is too large, with {found.st_size / 2**20:,.0f} MB",
            where=str(file),
            remedy=f"Leave out what is not needed: {LARGEST // 2**20} MB are taken",
        )
