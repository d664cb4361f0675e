"""What every sandboxed run may read: the interpreter, packages, shared libraries, time zones."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from optifire.workers.compiled import PACKAGE_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Paths are text here, not `pathlib`: see `loading`.

#: Shared libraries, time zones, and what libraries ask of the machine before they calculate.
_SYSTEM: Final = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store",
    "/usr/share/zoneinfo", "/etc/localtime", "/etc/timezone", "/etc/ld.so.cache",
    "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
    "/proc/filesystems", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm", "/sys/fs/cgroup",
)  # fmt: skip
#: Programs, for runs that may start some.
_PROGRAMS: Final = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/libexec")
#: Files by which names of hosts become addresses, for runs that may connect.
NAMES: Final = (
    "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/gai.conf",
    "/etc/ssl/certs", "/etc/pki/tls/certs", "/usr/share/ca-certificates",
)  # fmt: skip


@lru_cache(maxsize=8)
def libraries(home: str) -> tuple[str, ...]:
    """Give the files and folders, without links and without those below another one.

    A folder of packages that the home lies in is left out: a checkout that is a home as well, say.
    """
    real = os.path.realpath(home)
    return _topmost(each for each in _real(_places()) if not _holds(each, real))


@lru_cache(maxsize=1)
def programs() -> tuple[str, ...]:
    """Give the folders of programs, this interpreter's own included."""
    places = [f"{prefix}/bin" for prefix in (sys.prefix, sys.base_prefix)]
    return _topmost(_real([*places, *_PROGRAMS]))


def _places() -> Iterator[str]:
    yield PACKAGE_FOLDER
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        yield from (f"{prefix}/lib", f"{prefix}/lib64", f"{prefix}/pyvenv.cfg")
    paths = sysconfig.get_paths()
    yield from (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    root = os.path.dirname(PACKAGE_FOLDER)  # noqa: PTH120 - as said
    # Of the folder that this package lies in no more is wanted, unless packages lie there.
    yield from (each for each in sys.path if each not in {"", root} or each.endswith("-packages"))
    yield from _SYSTEM


def _real(places: Iterable[str]) -> Iterator[str]:
    return (os.path.realpath(each) for each in places if os.path.exists(each))  # noqa: PTH110 - as said


def _topmost(places: Iterable[str]) -> tuple[str, ...]:
    found = sorted(set(places))
    return tuple(
        each for each in found if not any(_holds(other, each) for other in found if other != each)
    )


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
