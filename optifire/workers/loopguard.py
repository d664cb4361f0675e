"""The service's side of the loop guard: which inline plugin blocked the loop, where, for how long.

While a step lasts too long, the light zygote signals this process (see `guarding`), and the
handler, which is C code and needs no lock of the interpreter, writes the stack of the main thread
to a kept-open file. It is read when the step has ended. What is still in the file at the next
start tells where a service stood that never came back.

On a machine with more to do than processors a step may take long because its thread did not get
its turn. That time, as the kernel counts it, is not the plugin's; where it does not, it is.
"""

from __future__ import annotations

import faulthandler
import logging
import mmap
import os
import re
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.core.types import PluginId
from optifire.workers.guarding import LIMIT_NS, STACK_SIGNAL, WORD, now_ns
from optifire.workers.queueing import QueueTime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from optifire.core.job import Job

log = logging.getLogger("optifire.loopguard")

#: Where stacks are written, in the folder of the ledger.
STACKS: Final = "blocked.stack"
#: A stack has at most 100 frames of 500 characters, see CPython's ``traceback.c``.
_LONGEST: Final = 1 << 16
#: Nanoseconds for which it is not asked again how long the thread has waited for a processor: it
#: takes as long as all else around a step, and what is read is wrong by no more than this.
FRESH_NS: Final = 10_000_000
_FRAME: Final = re.compile(r'^  File "(.*)", line (\d+) in ', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One step that kept the event loop waiting; ``place`` is file and line, empty if not seen."""

    plugin_id: PluginId
    seconds: float
    place: str = ""

    def __str__(self) -> str:
        """Say it in a sentence without the plugin."""
        where = f" at {self.place}" if self.place else ""
        return f"blocked the event loop for {self.seconds * 1e3:,.0f} ms{where}"


class LoopGuard:
    """Holds the word that tells when the step in progress began, and reads the stacks.

    Until it is opened the word is nobody else's, and a block is told without its place.

    Parameters
    ----------
    tell
        Is told every block as soon as it has ended.
    queued
        Gives the nanoseconds in which this thread has waited for a processor so far, None where
        nobody counts them; the kernel's own figure unless told otherwise.
    """

    def __init__(
        self,
        tell: Callable[[Block], None] = lambda _: None,
        queued: Callable[[], int | None] | None = None,
    ) -> None:
        self.word = memoryview(bytearray(WORD)).cast("Q")
        self.fresh_until = 0
        self._tell = tell
        self._own = QueueTime()
        self._queued = queued or self._own
        self._waited: int | None = None
        self._shared: int | None = None
        self._stacks: int | None = None

    def open(self, folder: Path) -> None:
        """Share the word and keep the file of stacks open; does so on the main thread only.

        Signals are handled there, so the stack of another thread's loop would not be seen.
        """
        if threading.current_thread() is not threading.main_thread():
            log.warning("the loop is not on the main thread: blocks are told without a line")
            return
        self._own.open()
        self._stacks = os.open(folder / STACKS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if last := self._taken():
            log.warning("the service before this one was blocked when it ended:\n%s", last)
        self._shared = os.memfd_create("optifire-steps")
        os.ftruncate(self._shared, mmap.PAGESIZE)
        self.word = memoryview(mmap.mmap(self._shared, mmap.PAGESIZE))[:WORD].cast("Q")
        # A signal that comes after the end must not be what it is by default: the end of us. A
        # handler, unlike SIG_IGN, is not handed on to programs that this process starts.
        signal.signal(STACK_SIGNAL, lambda *_: None)
        faulthandler.register(STACK_SIGNAL, file=self._stacks, all_threads=False)

    @property
    def shared(self) -> int | None:
        """Give the descriptor of the shared word, None where it is not shared."""
        return self._shared

    def look(self) -> int:
        """Read how long the thread has waited for a processor; gives the present after it."""
        self._waited = self._queued()
        now = now_ns()
        self.fresh_until = now + FRESH_NS
        return now

    def slow(self, job: Job, took_ns: int, cpu_ns: int) -> None:
        """Take note of a step of a job that took too long; tell it if that was the job's doing.

        That is what it used of the processor, and waited for otherwise: it slept, or read a file.
        """
        stacks = self._taken()
        before, now = self._waited, self._queued()
        waited = now - before if now is not None and before is not None else 0
        own = max(cpu_ns, took_ns - waited)
        if own > LIMIT_NS:
            place = plugin_line(stacks, os.path.realpath(job.code.folder))
            self._tell(Block(job.plugin_id, own / 1e9, place))

    def close(self) -> None:
        """Let go of signal, word and files."""
        self._own.close()
        if self._stacks is None or self._shared is None:
            return
        faulthandler.unregister(STACK_SIGNAL)
        self.word = memoryview(bytearray(WORD)).cast("Q")
        for descriptor in (self._stacks, self._shared):
            os.close(descriptor)
        self._stacks = self._shared = None

    def _taken(self) -> str:
        """Give what stands in the file, and empty it."""
        if self._stacks is None:
            return ""
        text = os.pread(self._stacks, _LONGEST, 0)
        with suppress(OSError):  # a file system that has become read-only keeps the old text
            os.ftruncate(self._stacks, 0)
        return text.decode("ascii", "replace")


def plugin_line(stacks: str, folder: str) -> str:
    """Give ``file:line`` of the innermost frame in a folder, of the last of some stacks.

    A stack without such a frame is of another moment; it says nothing of this plugin.
    """
    last = stacks.rpartition("(most recent call first)")[2]
    # Non-ASCII characters are written with backslashes, see CPython's ``traceback.c``.
    inside = f"{folder}/".encode("ascii", "backslashreplace").decode()
    for file, line in _FRAME.findall(last):
        if file.startswith(inside):
            return f"{file}:{line}"
    return ""
