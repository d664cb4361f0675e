"""Which layers of the sandbox hold on this machine, found by trying them in a process of its own.

``python -m optifire.workers.probing`` lays all of them around itself, tries what each denies, and
prints the names of those that held, as JSON.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from optifire.workers.sandbox import (
    CALLS,
    FILES,
    LAYERS,
    NO_PRIVILEGES,
    PORTS,
    SIGNALS,
    Confines,
    lay,
    lay_generic,
)
from optifire.workers.syscalls import here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What it means to do without a layer, and what brings it.
WITHOUT: Final[Mapping[str, tuple[str, str]]] = {
    NO_PRIVILEGES: ("sandboxed runs can become root by setuid programs", "Use Linux 3.5 or newer"),
    FILES: (
        "sandboxed runs can read and write every file that this user can",
        "Use Linux 5.13 or newer with landlock among its lsm= modules",
    ),
    PORTS: (
        "granted TCP ports cannot be told from others, so runs get no socket at all",
        "Use Linux 6.7 or newer",
    ),
    SIGNALS: (
        "a run that may start programs cannot signal them, nor they each other",
        "Use Linux 6.12 or newer",
    ),
    CALLS: (
        "sandboxed runs can start programs, open sockets and signal the service",
        "Use a kernel with CONFIG_SECCOMP_FILTER",
    ),
}
_TIMEOUT: Final = 20.0
_PR_GET_NO_NEW_PRIVS: Final = 39
#: A port that is not granted; nobody needs to listen there.
_PORT: Final = 9


@lru_cache(maxsize=1)
def layers_that_hold() -> tuple[str, ...]:
    """Give the layers that hold here, asked once in the life of this process.

    None of them where the process could not even be started or does not answer.
    """
    command = [sys.executable, "-P", "-m", "optifire.workers.probing"]
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            command, capture_output=True, check=True, timeout=_TIMEOUT
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(json.loads(done.stdout))


def main() -> None:
    """Lay everything, try everything, say what held; the filter must not stop the other tries."""
    parent = os.getppid()
    lay_generic()
    laid = lay(Confines(ports=(_PORT + 1,), subprocess=True))
    tries: Mapping[str, Callable[[], object]] = {
        NO_PRIVILEGES: _privileged,
        FILES: lambda: os.open("/", os.O_RDONLY),
        PORTS: _connects,
        SIGNALS: lambda: os.kill(parent, 0),
        CALLS: lambda: _call("userfaultfd"),
    }
    held = [each for each in LAYERS if each in (NO_PRIVILEGES, *laid) and _denied(tries[each])]
    os.write(1, json.dumps(held).encode())


def _denied(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno in {errno.EPERM, errno.EACCES}
    return False


def _privileged() -> None:
    """Raise as if denied while new privileges are out of reach."""
    if ctypes.CDLL(None).prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1:
        raise PermissionError(errno.EPERM, "no new privileges")


def _connects() -> None:
    with socket.socket() as tried:
        tried.connect(("127.0.0.1", _PORT))


def _call(name: str) -> None:
    """Make a system call that is never let through."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(here()[name], 0) < 0:
        raise OSError(ctypes.get_errno(), name)


if __name__ == "__main__":
    main()
