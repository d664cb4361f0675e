"""What a run prints and logs: kept up to 64 KB, never on the terminal.

A child's standard output and error are a pipe whose writing end does not block: the kernel keeps
64 KB whatever becomes of the child, nobody has to read before its end, and a flood costs the
service nothing.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from contextvars import ContextVar
from typing import Any, Final, TextIO

from optifire.core.logger import logger
from optifire.sdk.scope import Holding

#: Bytes kept of what one attempt prints; also the size of a pipe in Linux, see pipe(7).
KEPT: Final = 64 << 10
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_pipe() -> tuple[int, int]:
    """Make a pipe for one child; neither end blocks. Gives (reading end, writing end)."""
    return os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)


def drain(reader: int) -> bytes:
    """Give what stands in a pipe, up to 64 KB."""
    parts: list[bytes] = []
    left = KEPT
    while left:
        try:
            part = os.read(reader, left)
        except BlockingIOError:
            break
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def with_loss(log: bytes, lost: int) -> bytes:
    """Give the log with a last line that says how much was not kept."""
    return log if not lost else log + f"\n[{lost:,} bytes more were not kept]\n".encode()


class PipeWriter(io.RawIOBase):
    """Writes into a pipe that may be full; counts what was lost and never fails for it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.lost = 0

    def writable(self) -> bool:
        """Tell that this can be written to."""
        return True

    def fileno(self) -> int:
        """Give the descriptor, for who writes past Python."""
        return self._descriptor

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        """Write what still fits; the rest is counted and gone."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            try:
                done += os.write(self._descriptor, view[done : done + KEPT])
            except BlockingIOError:
                self.lost += len(view) - done
                break
        return len(view)


def print_to_descriptors() -> PipeWriter:
    """Make standard output and error of this process, and its log, writers that never fail.

    They write to descriptor 1, whatever it is: a zygote's own pipe, then each child's.
    """
    raw = PipeWriter(1)
    text = io.TextIOWrapper(
        io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True
    )
    sys.stdout = sys.stderr = text
    root = logging.getLogger()
    root.handlers[:] = [_formatted(logging.StreamHandler(text))]
    root.setLevel(logging.INFO)
    return raw


def take_over_output(descriptor: int) -> None:
    """Make a pipe the standard output and error of this process, in Python and below it."""
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _formatted(handler: logging.Handler) -> logging.Handler:
    formatter = logging.Formatter(FORMAT)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    return handler


# --- inline -----------------------------------------------------------------------------------

_CURRENT: ContextVar[Pad | None] = ContextVar("optifire_printed", default=None)


class Pad:
    """What one inline run has printed so far."""

    __slots__ = ("_parts", "_size", "lost")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.lost = 0

    def add(self, text: str) -> None:
        """Keep text as far as there is room."""
        data = text.encode("utf-8", "backslashreplace")
        part = data[: KEPT - self._size]
        self.lost += len(data) - len(part)
        if part:
            self._parts.append(part)
            self._size += len(part)

    def log(self) -> bytes:
        """Give what was kept, and how much was not."""
        return with_loss(b"".join(self._parts), self.lost)


def on_pad(pad: Pad) -> Holding[Pad]:
    """Route what this context prints to a pad, for the length of a ``with`` block."""
    return Holding(_CURRENT, pad)


class Routed(io.TextIOBase):
    """A standard stream that gives the output of inline runs to their pads."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def writable(self) -> bool:
        """Tell that this can be written to."""
        return True

    def write(self, text: str, /) -> int:
        """Write to the pad of the run in progress, else to the stream."""
        pad = _CURRENT.get()
        if pad is None:
            return self.stream.write(text)
        pad.add(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self.stream.flush()

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal, for who draws on it."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Give the stream's descriptor."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Give the stream's encoding."""
        return self.stream.encoding


class PadHandler(logging.Handler):
    """Gives what inline plugins log to the pad of their run."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        pad = _CURRENT.get()
        if pad is not None:
            pad.add(self.format(record) + "\n")


class Router:
    """Routes standard output, standard error and the plugin logger for as long as it is open."""

    def __init__(self) -> None:
        self._handler = _formatted(PadHandler())

    def open(self) -> None:
        """Put the routes in place."""
        self.renew()
        logger.addHandler(self._handler)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)

    def renew(self) -> None:
        """Put the routes in place where another has set streams of its own, as a live view does."""
        if not isinstance(sys.stdout, Routed):
            sys.stdout = Routed(sys.stdout)
        if not isinstance(sys.stderr, Routed):
            sys.stderr = Routed(sys.stderr)

    def close(self) -> None:
        """Take the routes away again."""
        logger.removeHandler(self._handler)
        if isinstance(sys.stdout, Routed):
            sys.stdout = sys.stdout.stream
        if isinstance(sys.stderr, Routed):
            sys.stderr = sys.stderr.stream
