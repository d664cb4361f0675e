"""The layers around a run that need no privilege, laid by the process itself, for good.

No new privileges, then no capabilities, then Landlock (files, TCP ports, signals), then a filter of
system calls. What a layer does is told where it is made; `docs/isolation.md` says what each stops.
"""

from __future__ import annotations

import ctypes
import os
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

_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 38, 39
#: Of linux/capability.h: the version of 64 bits, and the one that goes past a file's mode.
_CAPABILITY_VERSION: Final = 0x2008_0522
_CAP_DAC_OVERRIDE: Final = 1 << 1
#: Whose capabilities nobody can set.
_NO_PROCESS: Final = -1
_libc: Final = ctypes.CDLL(None, use_errno=True)
_prctl, _syscall = _libc.prctl, _libc.syscall


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


def lay_generic(*, really: bool = True) -> tuple[str, ...]:
    """Lay what is the same for every run; gives the layers.

    Not ``really``: goes the same way up to where it would take effect.

    Raises
    ------
    OSError
        The kernel refuses, as none does that OptiFIRE runs on.
    """
    privileges = (_PR_SET_NO_NEW_PRIVS, 1) if really else (_PR_GET_NO_NEW_PRIVS, 0)
    if _prctl(*privileges, 0, 0, 0) < 0:
        raise _failed("prctl(PR_SET_NO_NEW_PRIVS)")
    _drop_capabilities(really=really)
    return (NO_PRIVILEGES,)


class Ready:
    """What a process that waits for its order has made beforehand; it holds nobody to anything.

    The rules are this process's own: those that a zygote made would be shared by all its children,
    and what one of them is granted would be allowed to the others.

    Parameters
    ----------
    read, write
        What every sandboxed run may read, and write to.
    own
        Of these a folder of /proc, which the kernel may forget, and the rule with it, unless
        somebody holds it open.
    """

    def __init__(
        self, read: tuple[str, ...], write: tuple[str, ...] = (), own: str | None = None
    ) -> None:
        self._own = None if own is None else os.open(own, os.O_PATH | os.O_CLOEXEC)
        version = landlock.version()
        self._rules = _rules(Confines(read=read, write=write), version) if version else None
        self._filter = seccomp.Filter(_openings(Confines(), version)) if seccomp.offered() else None

    def rules(self) -> landlock.Ruleset | None:
        """Give the rules away: who takes them closes them."""
        rules, self._rules = self._rules, None
        return rules

    def filter(self, openings: Openings) -> seccomp.Filter | None:
        """Give the filter, if it lets through what is asked for."""
        made = self._filter
        return made if made is not None and made.openings == openings else None

    def close(self) -> None:
        """Let all of it go, in a process that will be held to nothing."""
        rules = self.rules()
        if rules is not None:
            rules.close()
        if self._own is not None:
            os.close(self._own)
            self._own = None


def lay(
    confines: Confines,
    *,
    abi: int | None = None,
    ready: Ready | None = None,
    really: bool = True,
) -> tuple[str, ...]:
    """Lay what a run is held to, after the generic layers; gives the layers that this machine has.

    Parameters
    ----------
    abi
        The version of Landlock to use, 0 for none; the kernel's if not given.
    ready
        What this process has made beforehand, for the kernel's version; it is used up.
    really
        False: goes the same way up to where it would take effect.

    Raises
    ------
    OSError
        The kernel has a layer and refuses to lay it.
    """
    version = landlock.version() if abi is None else abi
    made: list[str] = []
    if version:
        rules = _rules(confines, version, ready.rules() if ready is not None else None)
        try:
            rules.lay(really=really)
        finally:
            rules.close()
        made.append(FILES)
    if version >= landlock.WITH_PORTS:
        made.append(PORTS)
    if version >= landlock.WITH_SCOPE:
        made.append(SIGNALS)
    if seccomp.offered():
        openings = _openings(confines, version)
        made_ready = ready.filter(openings) if ready is not None else None
        (made_ready or seccomp.Filter(openings)).lay(really=really)
        made.append(CALLS)
    return tuple(made)


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


def _rules(
    confines: Confines, version: int, rules: landlock.Ruleset | None = None
) -> landlock.Ruleset:
    """Give rules, with those that there are, not laid yet; the caller closes them."""
    rules = rules or landlock.Ruleset(version)
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


def _drop_capabilities(*, really: bool) -> None:
    """Give up all capabilities, whoever this is, but to go past modes of files as before.

    Which files may be opened at all is Landlock's matter.
    """
    process = 0 if really else _NO_PROCESS
    done = _set_capabilities(_CAP_DAC_OVERRIDE, process) or _set_capabilities(0, process)
    if really and not done:
        raise _failed("capset")


def _set_capabilities(kept: int, process: int) -> bool:
    header = struct.pack("=Ii", _CAPABILITY_VERSION, process)
    # Effective, permitted, inheritable: the low 32 of each, then the high.
    sets = struct.pack("=6I", kept, kept, 0, 0, 0, 0)
    return bool(_syscall(here()["capset"], header, sets) == 0)


def _failed(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {os.strerror(code)}")


def missing(layers: Iterable[str]) -> tuple[str, ...]:
    """Give the layers that are not among these."""
    return tuple(layer for layer in LAYERS if layer not in set(layers))
