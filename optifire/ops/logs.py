"""What the service says: for a person on the console or as JSON lines, and in a file that rotates.

Every line carries the run in progress, and no line carries the value of a secret.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Final

from optifire.sdk.scope import scope_if_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import TextIO

    from optifire.ops.masking import Masker

#: The logger above all of this program's.
OURS: Final = "optifire"
#: The file is renamed away when it is this long, in bytes, and so many of these are kept.
FILE_BYTES: Final = 5 << 20
FILES_KEPT: Final = 5


class Style(StrEnum):
    """How lines look."""

    #: One line for a person, further lines indented.
    CONSOLE = "console"
    #: One JSON object a line.
    JSON = "json"


class AsLine(logging.Formatter):
    """Gives ``instant LEVEL logger [run] message``; what follows the first line is indented."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        """Give one record as text."""
        run_id, _ = _run(record)
        said = [_message(record), *_trace(self, record)]
        lines = "\n".join(said).splitlines() or [""]
        text = "\n    ".join(printable(line) for line in self._masker.all(lines))
        run = f" [{run_id}]" if run_id else ""
        return f"{_instant(record)} {record.levelname:<7} {record.name}{run} {text}"


class AsJson(logging.Formatter):
    """Gives one JSON object: time, level, logger, message, and run_id, plugin_id, error if any."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        """Give one record as JSON."""
        run_id, plugin_id = _run(record)
        fields = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "run_id": run_id,
            "plugin_id": plugin_id,
            "message": self._masker(_message(record)),
            "error": self._masker("\n".join(_trace(self, record))),
        }
        return json.dumps({key: value for key, value in fields.items() if value})


FORMATS: Final[Mapping[Style, type[AsLine | AsJson]]] = {
    Style.CONSOLE: AsLine,
    Style.JSON: AsJson,
}


class LogFile(RotatingFileHandler):
    """A file that rotates by size; lines that a full disk refused are counted and said later."""

    def __init__(self, path: Path, size: int, kept: int) -> None:
        super().__init__(path, maxBytes=size, backupCount=kept, encoding="utf-8", delay=True)
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, and how many could not be written before it."""
        lost = self.lost
        super().emit(record)
        if lost and self.lost == lost:
            self.lost = 0
            super().emit(_lines_lost(lost))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - its name there
        """Count a line that could not be written; the console has it."""
        self.lost += 1


class Logs:
    """The handlers of the service, until `close`.

    Parameters
    ----------
    level
        The least serious messages of OptiFIRE that are written; of others it is WARNING.
    console, style
        Where lines go beside the file, and how they look there; None for nowhere.
    file
        Where JSON lines go; its folder must be there. None for nowhere.
    """

    def __init__(
        self,
        masker: Masker,
        *,
        level: str = "INFO",
        console: TextIO | None = None,
        style: Style = Style.CONSOLE,
        file: Path | None = None,
    ) -> None:
        self._handlers: list[logging.Handler] = []
        if console is not None:
            self._add(logging.StreamHandler(console), style, masker)
        if file is not None:
            self._add(LogFile(file, FILE_BYTES, FILES_KEPT), Style.JSON, masker)
        self._levels = (logging.getLogger().level, logging.getLogger(OURS).level)
        logging.getLogger().setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Write from this level on: DEBUG, INFO, WARNING or ERROR."""
        logging.getLogger(OURS).setLevel(level)

    def close(self) -> None:
        """Take everything away again and close the file."""
        logging.captureWarnings(capture=False)
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        self._handlers.clear()
        logging.getLogger().setLevel(self._levels[0])
        logging.getLogger(OURS).setLevel(self._levels[1])

    def _add(self, handler: logging.Handler, style: Style, masker: Masker) -> None:
        handler.setFormatter(FORMATS[style](masker))
        handler.addFilter(with_run)
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)


def with_run(record: logging.LogRecord) -> bool:
    """Note on a record which run it comes from; lets every record pass.

    Whoever logs for a run from outside its context gives ``extra={"run_id": ...}`` instead.
    """
    scope = scope_if_any()
    if scope is not None and not hasattr(record, "run_id"):
        record.run_id, record.plugin_id = scope.run_id, scope.plugin_id
    return True


def printable(line: str) -> str:
    """Give a line without characters that steer a terminal; they stand as escapes."""
    return "".join(
        char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in line
    )


def _run(record: logging.LogRecord) -> tuple[str, str]:
    return getattr(record, "run_id", ""), getattr(record, "plugin_id", "")


def _instant(record: logging.LogRecord) -> str:
    instant = datetime.fromtimestamp(record.created, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    return record.getMessage()


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> Iterable[str]:
    if record.exc_info:
        yield formatter.formatException(record.exc_info)
    if record.stack_info:
        yield record.stack_info


def _lines_lost(lost: int) -> logging.LogRecord:
    text = "%d lines before this one could not be written"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (lost,), None)
