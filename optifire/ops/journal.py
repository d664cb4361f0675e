"""Lines for the journal of systemd: which level each has, and no instant, for it has its own.

Source: sd-daemon(3) for the prefixes, systemd.exec(5) for ``JOURNAL_STREAM``.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

#: Levels of syslog(3) by those of Python, the most serious first.
PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG: Final = 7


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a stream goes to the journal: it is the file that JOURNAL_STREAM names."""
    try:
        held = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environ.get("JOURNAL_STREAM") == f"{held.st_dev}:{held.st_ino}"


class ForJournal(logging.Formatter):
    """Gives what another formatter gives, each line with its level in front."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Give one record; the journal takes each of its lines for an entry."""
        prefix = f"<{priority(record.levelno)}>"
        return "\n".join(prefix + line for line in self._inner.format(record).splitlines())


def priority(level: int) -> int:
    """Give the level of syslog for one of Python's."""
    return next((number for least, number in PRIORITIES if level >= least), _DEBUG)
