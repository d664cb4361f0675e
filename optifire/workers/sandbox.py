"""The layers around a run that need no privilege, laid by the process itself, for good.

No new privileges, then no capabilities, then Landlock (files, TCP ports, signals), then a filter of
system calls. What a layer does is told where it is made; `docs/isolation.md` says what each stops.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.workers import landlock, seccomp
from optifire.workers.denied import Openings
from optifire.workers.syscalls import here

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_PRIVILEGES: Final = "no new privileges"
FILES: Final = "files"
PORTS: Final = "TCP ports"
SIGNALS: Final = "signals"
CALLS: Final = "system calls"
#: Every layer there is, in the order in which they are laid.
LAYERS: Final = (NO_PRIVILEGES, FILES, PORTS, SIGNALS, CALLS)

_PR_SET_NO_NEW_PRIVS: Final = 38
#: Of linux/capability.h: the version of 64 bits, and the one that goes past a file's mode.
_CAPABILITY_VERSION: Final = 0x2008_0522
_CAP_DAC_OVERRIDE: Final = 1 << 1
#: The interpreter specialises a function when it has run eight times.
_TIMES: Final = 10
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Confines:
    """What a process is held to; paths are absolute, and without links but where it is said.

    Attributes
    ----------
    read, write
        Files, and folders with all below them, that the host names.
    granted_read, granted_write
        Those that the operator grants; one that a link leads away from grants nothing.
    ports
        TCP ports of whatever host that may be connected to.
    subprocess
        Whether other programs may be started: those that may be read, but not what was written.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    granted_read: tuple[str, ...] = ()
    granted_write: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    subprocess: bool = False


def lay_generic() -> tuple[str, ...]:
    """Lay what is the same for every run, early if there is time; gives the layers.

    Raises
    ------
    OSError
        The kernel refuses, as none does that OptiFIRE runs on.
    """
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _failed("prctl(PR_SET_NO_NEW_PRIVS)")
    _drop_capabilities()
    return (NO_PRIVILEGES,)


def lay(confines: Confines, *, abi: int | None = None) -> tuple[str, ...]:
    """Lay what a run is held to, after the generic layers; gives the layers that this machine has.

    Parameters
    ----------
    abi
        The version of Landlock to use, 0 for none; the kernel's if not given.

    Raises
    ------
    OSError
        The kernel has a layer and refuses to lay it.
    """
    version = landlock.version() if abi is None else abi
    made: list[str] = []
    if version:
        _lay_landlock(confines, version)
        made.append(FILES)
    if version >= landlock.WITH_PORTS:
        made.append(PORTS)
    if version >= landlock.WITH_SCOPE:
        made.append(SIGNALS)
    if seccomp.offered():
        seccomp.lay(_openings(confines, version))
        made.append(CALLS)
    return tuple(made)


def rehearse(confines: Confines) -> None:
    """Do what laying does, up to where it would take effect: a process forked then is quicker."""
    version = landlock.version()
    for _ in range(_TIMES if version else 0):
        _rules(confines, version).close()
    if seccomp.offered():
        seccomp.compiled(platform.machine(), _openings(confines, version))


def offered() -> tuple[str, ...]:
    """Give the layers that the kernel says it has; `probing` tries them."""
    version = landlock.version()
    known = (
        (NO_PRIVILEGES, True),
        (FILES, version >= 1),
        (PORTS, version >= landlock.WITH_PORTS),
        (SIGNALS, version >= landlock.WITH_SCOPE),
        (CALLS, seccomp.offered()),
    )
    return tuple(name for name, there in known if there)


def _openings(confines: Confines, version: int) -> Openings:
    """Give what the filter lets through; without Landlock's ports a socket would reach them all."""
    connect = bool(confines.ports) and version >= landlock.WITH_PORTS
    return Openings(confines.subprocess, connect, version >= landlock.WITH_SCOPE)


def _lay_landlock(confines: Confines, version: int) -> None:
    rules = _rules(confines, version)
    try:
        rules.lay()
    finally:
        rules.close()


def _rules(confines: Confines, version: int) -> landlock.Ruleset:
    """Give the rules, not laid yet; the caller closes them."""
    rules = landlock.Ruleset(version)
    try:
        reading = landlock.EXECUTE if confines.subprocess else landlock.READ
        for path in confines.read:
            rules.allow(path, reading)
        for path in confines.write:
            rules.allow(path, landlock.WRITE)
        for path in confines.granted_read:
            rules.allow(path, reading, exactly=True)
        for path in confines.granted_write:
            rules.allow(path, landlock.WRITE, exactly=True)
        if version >= landlock.WITH_PORTS:
            rules.allow_ports(confines.ports)
    except BaseException:
        rules.close()
        raise
    return rules


def _drop_capabilities() -> None:
    """Give up all capabilities, whoever this is, but to go past modes of files as before.

    Which files may be opened at all is Landlock's matter.
    """
    if not _set_capabilities(_CAP_DAC_OVERRIDE) and not _set_capabilities(0):
        raise _failed("capset")


def _set_capabilities(kept: int) -> bool:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    # Effective, permitted, inheritable: the low 32 of each, then the high.
    sets = struct.pack("=6I", kept, kept, 0, 0, 0, 0)
    return bool(_libc.syscall(here()["capset"], header, sets) == 0)


def _failed(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {os.strerror(code)}")


def missing(layers: Iterable[str]) -> tuple[str, ...]:
    """Give the layers that are not among these."""
    return tuple(layer for layer in LAYERS if layer not in set(layers))
