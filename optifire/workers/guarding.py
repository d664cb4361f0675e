"""The zygote's side of the loop guard: sees a step that blocks the service, and signals once.

The service writes the beginning of each inline step into a word of shared memory, and zero after
it. Another process sees a step that does not end even while a C call holds the interpreter's
lock, which no thread of the service could.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final

#: Nanoseconds of the one clock that service and zygote share. It measures how long a step takes,
#: never what time it is.
now_ns: Final = time.monotonic_ns  # noqa: TID251 - CLOCK_MONOTONIC is the same in every process
#: A step longer than this blocks the service's event loop.
LIMIT_NS: Final = 100_000_000
#: Milliseconds between two looks while an inline plugin is switched on.
PERIOD_MS: Final = 40
#: Asks the service for its stack; real-time signals are nobody else's by convention.
STACK_SIGNAL: Final = signal.SIGRTMIN + 1
#: The word is an unsigned integer of this many bytes in the machine's own order.
WORD: Final = 8
_MS: Final = 1_000_000


class Guarding:
    """Looks at the service's word, and signals the service once for each step that is too long.

    Parameters
    ----------
    word
        A descriptor of the shared word, of which a copy is kept.
    service
        The process that is to show its stack.
    """

    def __init__(self, word: int, service: int) -> None:
        self._word = os.dup(word)
        self._service = os.pidfd_open(service)
        self._signalled = 0

    def look(self) -> int:
        """Look once; gives the milliseconds until the next look.

        A step under way is looked at again the moment it becomes too long, so that what it does
        is seen then, and not up to a period later.
        """
        began = int.from_bytes(os.pread(self._word, WORD, 0), sys.byteorder)
        if began in (0, self._signalled):
            return PERIOD_MS
        left = LIMIT_NS - (now_ns() - began)
        if left > 0:
            return min(PERIOD_MS, left // _MS + 1)
        self._signalled = began
        with suppress(ProcessLookupError):  # it has just ended, and this process is next
            signal.pidfd_send_signal(self._service, STACK_SIGNAL)
        return PERIOD_MS

    def close(self) -> None:
        """Let go of the word."""
        os.close(self._word)
        os.close(self._service)
