"""What the service says: for a person on the console or as JSON lines, and in a file that rotates.

Every line carries the run in progress, and no line carries the value of a secret.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final

from optifire.core.settings_log import LOG_FILES, LOG_MB
from optifire.ops.journal import ForJournal, is_journal
from optifire.sdk.scope import scope_if_any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from optifire.ops.masking import Masker

logger = logging.getLogger(__name__)

#: The logger above all of this program's.
OURS: Final = "optifire"
#: What a line may say by name beside its message, where whoever logs gives it as ``extra``.
EXTRA: Final = (
    "run_id", "plugin_id", "due", "status", "reason", "attempts", "cpu_ms", "mem_mb", "wall_ms",
)  # fmt: skip


class Style(StrEnum):
    """How lines look."""

    #: One line for a person, further lines indented.
    CONSOLE = "console"
    #: One JSON object a line.
    JSON = "json"


class AsLine(logging.Formatter):
    """Gives ``instant LEVEL logger [run] message``; what follows the first line is indented.

    ``timed`` False leaves the instant out, for a reader that keeps one of its own.
    """

    def __init__(self, masker: Masker, *, timed: bool = True) -> None:
        super().__init__()
        self._masker = masker
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        """Give one record as text."""
        run_id = getattr(record, "run_id", "")
        said = [_message(record), *_trace(self, record)]
        lines = "\n".join(said).splitlines() or [""]
        text = "\n    ".join(printable(line) for line in self._masker.all(lines))
        run = f" [{run_id}]" if run_id else ""
        instant = f"{_instant(record)} " if self._timed else ""
        return f"{instant}{record.levelname:<7} {record.name}{run} {text}"


class AsJson(logging.Formatter):
    """Gives one JSON object: time, level, logger, message, error and what `EXTRA` names, if any."""

    def __init__(self, masker: Masker) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        """Give one record as JSON."""
        extra = {name: getattr(record, name, None) for name in EXTRA}
        masked = {
            key: self._masker(value) if isinstance(value, str) else value
            for key, value in extra.items()
        }
        fields = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            **masked,
            "message": self._masker(_message(record)),
            "error": self._masker("\n".join(_trace(self, record))),
        }
        return json.dumps({key: value for key, value in fields.items() if value not in (None, "")})


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

    def resize(self, size: int, kept: int) -> None:
        """Rotate at another size in bytes, and keep another number; what is over it goes."""
        with self.lock or nullcontext():
            self.maxBytes, self.backupCount = size, kept
            for old in surplus(Path(self.baseFilename), kept):
                try:
                    old.unlink(missing_ok=True)
                except OSError as error:
                    logger.warning("an old log file cannot be removed: %s", error)


class Logs:
    """The handlers of the service, until `close`.

    Parameters
    ----------
    masker
        Keeps secrets out; it may learn others at any time.
    level
        The least serious messages of OptiFIRE that are written; of others it is WARNING.
    console, style
        Where lines go beside the file, and how they look there; None for nowhere.
    file, size, kept
        Where JSON lines go; its folder must be there. None for nowhere. It is renamed away when it
        is `size` bytes long, and so many old ones are `kept`.
    """

    def __init__(
        self,
        masker: Masker,
        *,
        level: str = "INFO",
        console: TextIO | None = None,
        style: Style = Style.CONSOLE,
        file: Path | None = None,
        size: int = LOG_MB << 20,
        kept: int = LOG_FILES,
    ) -> None:
        self.masker = masker
        self._console = None if console is None else logging.StreamHandler(console)
        self._for_journal = console is not None and is_journal(console, os.environ)
        self._file = None if file is None else LogFile(file, size, kept)
        self.set_style(style)
        if self._file is not None:
            self._file.setFormatter(AsJson(masker))
            self._file.resize(size, kept)
        for handler in self._handlers:
            handler.addFilter(with_run)
            logging.getLogger().addHandler(handler)
        self._levels = (logging.getLogger().level, logging.getLogger(OURS).level)
        logging.getLogger().setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """Write from this level on: DEBUG, INFO, WARNING or ERROR."""
        logging.getLogger(OURS).setLevel(level)

    def set_style(self, style: Style) -> None:
        """Give the console's lines another form."""
        if self._console is None:
            return
        made: logging.Formatter
        if style is Style.JSON:
            made = AsJson(self.masker)
        else:
            made = AsLine(self.masker, timed=not self._for_journal)
        self._console.setFormatter(ForJournal(made) if self._for_journal else made)

    def resize(self, size: int, kept: int) -> None:
        """Rotate the file at another size in bytes, and keep another number of old ones."""
        if self._file is not None:
            self._file.resize(size, kept)

    def close(self) -> None:
        """Take everything away again and close the file."""
        logging.captureWarnings(capture=False)
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        self._console = self._file = None
        logging.getLogger().setLevel(self._levels[0])
        logging.getLogger(OURS).setLevel(self._levels[1])

    @property
    def _handlers(self) -> list[logging.Handler]:
        return [one for one in (self._console, self._file) if one is not None]


def with_run(record: logging.LogRecord) -> bool:
    """Note on a record which run it comes from; lets every record pass.

    Whoever logs for a run from outside its context gives ``extra={"run_id": ...}`` instead.
    """
    scope = scope_if_any()
    if scope is not None and not hasattr(record, "run_id"):
        record.run_id, record.plugin_id = scope.run_id, scope.plugin_id
    return True


def surplus(file: Path, kept: int) -> list[Path]:
    """Give the files that a log of this name was renamed to, but for so many of the newest."""
    numbered = ((old, old.name.removeprefix(f"{file.name}.")) for old in file.parent.iterdir())
    return [old for old, number in numbered if number.isdecimal() and int(number) > kept]


def printable(line: str) -> str:
    """Give a line without characters that steer a terminal; they stand as escapes."""
    return "".join(
        char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in line
    )


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
