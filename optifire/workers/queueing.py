"""How long a thread has waited for a processor, which is nobody's fault that runs in it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Final

#: Bytes that the kernel writes of one thread at most: three numbers of 64 bits.
_LONGEST: Final = 80


class QueueTime:
    """Reads it of one thread, from a file that stays open."""

    def __init__(self) -> None:
        self._file: int | None = None

    def open(self) -> None:
        """Begin with the thread that calls this."""
        self.close()
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        with suppress(OSError):  # a kernel without CONFIG_SCHED_INFO has none
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> int | None:
        """Give the nanoseconds in which the thread could have run and did not, since it began.

        None where the kernel does not count them.
        """
        if self._file is None:
            return None
        return waited_in(os.pread(self._file, _LONGEST, 0))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def waited_in(schedstat: bytes) -> int | None:
    """Give the second field: run_delay (Documentation/scheduler/sched-stats.rst).

    The first is the time that the thread has run; where that is zero, nothing is counted.
    """
    ran, waited, _ = schedstat.split()
    return int(waited) if int(ran) else None
