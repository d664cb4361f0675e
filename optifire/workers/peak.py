"""The peak of this process's resident memory since it was last reset."""

from __future__ import annotations

import os
import resource
from typing import Final

#: Written to clear_refs it makes the peak what is resident now (proc(5)).
_RESET: Final = b"5"
#: ru_maxrss is in KiB on Linux, see getrusage(2).
_KIB: Final = 1024


class Peak:
    """Reads the peak of each run in a process that makes many.

    A forked process that never called exec has no peak but that of its memory as it is, so
    getrusage gives what VmHWM is, at a tenth of the price of reading /proc/self/status.
    """

    def __init__(self) -> None:
        try:
            self._clear: int | None = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:  # a kernel without CONFIG_PROC_PAGE_MONITOR
            self._clear = None

    def reset(self) -> None:
        """Let the peak be what is resident now."""
        if self._clear is not None:
            os.pwrite(self._clear, _RESET, 0)

    def read(self) -> int:
        """Give the peak in bytes; 0 where it cannot be reset, and so is nobody's."""
        if self._clear is None:
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
