"""What the running kernel says when it is asked: Landlock, the clock's synchronisation, cgroups."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.ops.cgroup import MOUNT, group_of
from optifire.ops.leaves import is_delegated

if TYPE_CHECKING:
    from pathlib import Path

#: Number of landlock_create_ruleset, the same on x86_64 and aarch64
#: (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
LANDLOCK_CREATE_RULESET: Final = 444
#: Asks for the version instead of a ruleset (landlock_create_ruleset(2)).
LANDLOCK_VERSION: Final = 1
#: What adjtimex(2) gives when nothing keeps the clock synchronised.
TIME_ERROR: Final = 5
#: More than sizeof(struct timex), which is 208 on 64-bit Linux.
TIMEX_BYTES: Final = 512
MACHINES: Final = ("x86_64", "aarch64")


def landlock_version() -> int | None:
    """Give the Landlock ABI version that the kernel offers now; None if it is off or missing."""
    if platform.machine() not in MACHINES:
        return None
    answer = _libc().syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    return int(answer) if answer > 0 else None


def trim_heap() -> None:
    """Give back to the machine what the C heap holds and nobody uses; where there is no glibc, not.

    Starting leaves holes, and glibc keeps them: malloc_trim(3) takes half a millisecond.
    """
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def clock_is_synchronised() -> bool | None:
    """Tell whether something (NTP, PTP, the hypervisor) keeps the system clock synchronised.

    None where this process may not ask, as in a unit or container with a filter of system calls.

    Raises
    ------
    OSError
        The kernel does not answer.
    """
    # No mode bit is set, so this only reads, which needs no privilege.
    state = _libc().adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    if state < 0:
        code = ctypes.get_errno()
        if code == errno.EPERM:
            return None
        raise OSError(code, os.strerror(code))
    return bool(state != TIME_ERROR)


@dataclass(frozen=True, slots=True)
class Delegation:
    """The control group of this process: whether groups may be made below it, and for what."""

    group: str
    writable: bool
    controllers: tuple[str, ...]


def delegation(mount: Path = MOUNT) -> Delegation | None:
    """Give what this process may do with its own control group; None without cgroup v2."""
    group = group_of(os.getpid())
    if group is None:
        return None
    folder = mount / group.strip("/")
    try:
        controllers = (folder / "cgroup.controllers").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    return Delegation(group, is_delegated(folder), tuple(controllers))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
