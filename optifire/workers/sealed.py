"""Large values in sealed files of memory, which processes share instead of copying them.

A file is written once and sealed: nobody can change or shorten it any more, so whoever maps it
can rely on every byte. The service treats what stands in it as it treats all values: it never
looks inside. In its rooms such a value is a read-only memoryview of the mapped file, used wherever
bytes are; the file goes when the last one who holds the value lets go.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import weakref
from errno import ENOMEM
from typing import TYPE_CHECKING, Final, cast

from optifire.core.errors import ContractError
from optifire.core.limits import MIB
from optifire.core.types import Encoded
from optifire.workers.sealing import SEALS, written

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES: Final = 64 << 20  # the largest value that may travel
#: From this many bytes on a file costs less than a copy (see docs/isolation.md, "Large values").
SHARE_FROM: Final = 256 << 10
#: Files that one process holds at most; each takes a descriptor or two. Beyond, values are copied.
MOST_FILES: Final = 200


class Sealed(mmap.mmap):
    """One sealed file, mapped; ``descriptor`` is its own and closed with it."""

    descriptor: int


class _Made:
    """The files that this process has made and holds, and the bytes that these may have."""

    def __init__(self) -> None:
        self.files: weakref.WeakSet[Sealed] = weakref.WeakSet()
        self.most = sys.maxsize

    def check(self, more: int) -> None:
        """Raise `MemoryError` when so many bytes more would be too many."""
        size = sum(map(len, self.files)) + more
        if size > self.most:
            raise MemoryError(
                f"the values that it publishes lie in files of {size / MIB:,.1f} MB together"
            )


_files: Final[weakref.WeakSet[Sealed]] = weakref.WeakSet()
_made: Final = _Made()


def encoded_from(parts: Sequence[bytes | memoryview]) -> Encoded:
    """Give the value that the parts make up one after the other: in a file when it is large.

    Where no file can be made (a sandbox denies it, none are left) the value is plain bytes. Raises
    `MemoryError` when this process has made as many bytes of files as it may.
    """
    size = sum(map(len, parts))
    if size < SHARE_FROM or len(_files) >= MOST_FILES:
        return Encoded(b"".join(parts))
    _made.check(size)
    try:
        value = _view(written(parts))
    except OSError:
        return Encoded(b"".join(parts))
    file = file_of(value)
    assert file is not None  # noqa: S101 - it was made here
    _made.files.add(file)
    return value


def hold_to(most: int) -> None:
    """Limit the bytes of the files that this process makes and still holds.

    The kernel counts them as nobody's memory until somebody maps and reads them.
    """
    _made.most = most


def held_bytes() -> int:
    """Give the bytes of all files that this process holds, whoever made them."""
    return sum(map(len, _files))


def share(value: Encoded) -> Encoded:
    """Give a value that is large in a file, any other one as it is."""
    return value if file_of(value) is not None else encoded_from([value])


def file_of(value: object) -> Sealed | None:
    """Give the file in which a value stands, None where it is bytes of this process."""
    if not isinstance(value, memoryview):
        return None
    return value.obj if isinstance(value.obj, Sealed) else None


def adopt(descriptor: int) -> Encoded:
    """Give the value of a file that came from another process; the descriptor is taken over.

    Raises
    ------
    ContractError
        When it is no file of memory, can still change, is empty, or larger than a value may be.
    """
    try:
        _check(descriptor)
    except ContractError:
        os.close(descriptor)
        raise
    value = _view(descriptor)
    return value if len(_files) <= MOST_FILES else Encoded(bytes(value))


def _check(descriptor: int) -> None:
    """Raise `ContractError` unless a file can be relied on, whoever made it."""
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError as error:
        raise _unfit("is no file of memory", descriptor) from error
    if seals & SEALS != SEALS:
        raise _unfit("is not sealed against every change", descriptor)
    # Huge pages may be missing when they are first touched, which kills the one who does.
    if os.fstatvfs(descriptor).f_bsize != mmap.PAGESIZE:
        raise _unfit("lies on huge pages", descriptor)
    size = os.fstat(descriptor).st_size
    if not 0 < size <= MAX_BYTES:
        raise _unfit(f"has {size:,} bytes", descriptor)


def _unfit(what: str, descriptor: int) -> ContractError:
    return ContractError(
        f"a file that was handed over as a value {what}",
        where=f"descriptor {descriptor}",
        remedy="Hand values over by PluginResult or context.data, and leave the run's socket alone",
    )


def _view(descriptor: int) -> Encoded:
    """Map a file; the descriptor goes with the last one who holds the view."""
    try:
        size = os.fstat(descriptor).st_size
        # Not MAP_SHARED: before Linux 6.7 that is refused on a file sealed against writing, even
        # for reading. The pages are shared all the same, as nobody can write to them.
        made = Sealed(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except OSError as error:
        os.close(descriptor)
        if error.errno == ENOMEM:  # the limit of address space, for one
            raise MemoryError from error
        raise
    made.descriptor = descriptor
    weakref.finalize(made, os.close, descriptor).atexit = False
    _files.add(made)
    return cast("Encoded", memoryview(made))
