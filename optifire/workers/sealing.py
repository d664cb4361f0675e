"""Makes files of memory that nobody can change any more."""

from __future__ import annotations

import fcntl
import os
from errno import EINVAL
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: All of them: it can be neither shortened, nor made longer, nor written, nor unsealed.
SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
#: linux/memfd.h, since 6.3: it can never be executed either.
_NOEXEC: Final = 0x8
#: Buffers that one call takes (IOV_MAX, limits.h).
_MOST_PARTS: Final = 1024


def written(parts: Sequence[bytes | memoryview]) -> int:
    """Give the descriptor of a new file with these bytes, sealed; raises `OSError`."""
    descriptor = _new()
    try:
        left = [memoryview(part) for part in parts if len(part)]
        while left:
            done = os.writev(descriptor, left[:_MOST_PARTS])
            while left and done >= len(left[0]):
                done -= len(left.pop(0))
            if done:
                left[0] = left[0][done:]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _new() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("optifire-value", flags | _NOEXEC)
    except OSError as error:
        if error.errno != EINVAL:
            raise
        return os.memfd_create("optifire-value", flags)
