"""Landlock: which files a process may open, which TCP ports it reaches, whom it signals.

See landlock(7). What this kernel does not know of is left out (its ABI version says what it knows):
moving files between folders came with 2, truncation with 3, TCP with 4, device controls with 5,
signals and abstract sockets with 6.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from optifire.workers.syscalls import MACHINES, here

if TYPE_CHECKING:
    from collections.abc import Sequence

# Rights on files, by their bits in linux/landlock.h.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MAKE_FIFO, _MAKE_SYM, _REFER, _TRUNCATE = 1 << 10, 1 << 12, 1 << 13, 1 << 14
#: The rights that each version brought, the first one thirteen at once.
_KNOWN: Final = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE), (5, 1 << 15))
READ: Final = _READ_FILE | _READ_DIR
WRITE: Final = (
    READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO
    | _MAKE_SYM | _REFER | _TRUNCATE
)  # fmt: skip
EXECUTE: Final = READ | _EXECUTE
#: What a rule on a file, and not on a folder, can say.
_ON_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1
WITH_PORTS, WITH_SCOPE = 4, 6
_ASK_VERSION: Final = 1
_NO_SUCH_FLAGS: Final = 1 << 31
_PATH, _PORT = 1, 2
_libc: Final = ctypes.CDLL(None, use_errno=True)


@lru_cache(maxsize=1)
def version() -> int:
    """Give the ABI version that the kernel offers, 0 if it has none or has it switched off."""
    if platform.machine() not in MACHINES:
        return 0
    number = here()["landlock_create_ruleset"]
    answer = _libc.syscall(number, None, ctypes.c_size_t(0), _ASK_VERSION)
    return max(0, int(answer))


class Ruleset:
    """What will be allowed; all else that Landlock knows of is denied once it is laid.

    Parameters
    ----------
    abi
        The ABI version to use, at most the kernel's.

    Raises
    ------
    OSError
        The kernel has no Landlock.
    """

    def __init__(self, abi: int) -> None:
        self._numbers = here()
        self._rights = sum(rights for since, rights in _KNOWN if since <= abi)
        words = [self._rights]
        if abi >= WITH_PORTS:
            words.append(_BIND_TCP | _CONNECT_TCP)
        if abi >= WITH_SCOPE:
            words.append(_ABSTRACT_SOCKETS | _SIGNALS)
        handled = struct.pack(f"={len(words)}Q", *words)
        self._descriptor = self._call("create_ruleset", handled, ctypes.c_size_t(len(handled)), 0)
        self._allowed: set[tuple[str, int]] = set()

    def allow(self, path: str, rights: int, *, exactly: bool = False) -> bool:
        """Allow a file, or a folder and all below it; False if nothing can be allowed there.

        ``exactly``: a path that leads somewhere else, by a symbolic link in it, allows nothing.
        What has been allowed once is not asked for again.
        """
        if (path, rights) in self._allowed:
            return True
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            if exactly and os.readlink(f"/proc/self/fd/{place}") != path:  # noqa: PTH115 - see `loading`
                return False
            self._allow(place, rights & self._rights)
            self._allowed.add((path, rights))
        finally:
            os.close(place)
        return True

    def _allow(self, place: int, rights: int) -> None:
        try:
            self._rule(_PATH, struct.pack("=Qi", rights, place))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._rule(_PATH, struct.pack("=Qi", rights & _ON_FILE, place))  # it is no folder

    def allow_ports(self, ports: Sequence[int]) -> None:
        """Allow connections by TCP to these ports, of whatever host."""
        for port in ports:
            self._rule(_PORT, struct.pack("=QQ", _CONNECT_TCP, port))

    def _rule(self, kind: int, about: bytes) -> None:
        self._call("add_rule", self._descriptor, kind, about, 0)

    def lay(self, *, really: bool = True) -> None:
        """Hold this process, and what it starts, to the rules; needs no_new_privs.

        Not ``really``: asks for it with flags that do not exist, which the kernel refuses.
        """
        try:
            self._call("restrict_self", self._descriptor, 0 if really else _NO_SUCH_FLAGS)
        except OSError:
            if really:
                raise

    def close(self) -> None:
        """Let the descriptor go."""
        os.close(self._descriptor)

    def _call(self, name: str, *arguments: object) -> int:
        answer = int(_libc.syscall(self._numbers[f"landlock_{name}"], *arguments))
        if answer < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"landlock_{name}: {os.strerror(code)}")
        return answer
