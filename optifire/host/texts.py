"""Reading a file that a person writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read_text(file: Path) -> str:
    """Give the text of a file.

    Raises
    ------
    ConfigError
        It cannot be read, or is not UTF-8; with file and line, and nothing of what it holds.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(file), remedy="Check path and mode"
        ) from error
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        # Not from the decoder's error, which holds the bytes: they may be a secret.
        raise ConfigError(
            "is not UTF-8", where=f"{file}:{line}", remedy="Save the file as UTF-8"
        ) from None
