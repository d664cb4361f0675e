"""Runs a program with the system calls that a unit of systemd leaves it, and no others.

    under_filter.py UNIT PROGRAM [WORDS...]

The sets of ``SystemCallFilter=`` are spelled out by `systemd-analyze`, and the filter is made and
laid by libseccomp, as systemd itself does.
"""

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Flags of seccomp.h: allow, and fail with an error number.
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
#: The attribute that sets no_new_privs on loading, which is what a process without rights needs.
_NO_NEW_PRIVS = 3
KEY = "SystemCallFilter="


def main(words: Sequence[str]) -> None:
    """Lay the filter of a unit on this process, and become the program."""
    unit, *program = words
    text = Path(unit).read_text(encoding="utf-8")
    named = [
        name
        for line in text.splitlines()
        if line.startswith(KEY)
        for name in line.removeprefix(KEY).split()
    ]
    lay({call for name in named for call in calls_of(name)})
    os.execv(program[0], program)  # noqa: S606 - the program is the caller's


def calls_of(name: str) -> Iterator[str]:
    """Give the system calls of a set, and of the sets in it; a call is itself."""
    if not name.startswith("@"):
        yield name
        return
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", name],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in said.stdout.splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            yield from calls_of(line.strip())


def lay(allowed: set[str]) -> None:
    """Refuse this process, and all that it starts, every call but these with EPERM."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    _check(library.seccomp_attr_set(context, _NO_NEW_PRIVS, ctypes.c_uint32(1)))
    for name in sorted(allowed):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # the sets hold calls of other machines too
            _check(library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0))
    _check(library.seccomp_load(context))


def _check(answer: int) -> None:
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))


if __name__ == "__main__":
    main(sys.argv[1:])
