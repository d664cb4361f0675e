"""The filter of system calls: rules as a program of the kernel's packet filter, and its laying.

See seccomp(2) and linux/filter.h. The program finds a call's number by halving, so that a run's
calls cost next to nothing, and installing it little: the kernel tries it for each number.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from optifire.workers.denied import WORD, Rule, rules
from optifire.workers.syscalls import NEWEST, here, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.workers.denied import Check, Openings

#: Which set of system calls an entry is of (linux/audit.h).
_ARCHITECTURES: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
#: From here on x86_64 means the calls of x32, a second set (arch/x86/include/uapi/asm/unistd.h).
_X32: Final = 0x4000_0000
# Where struct seccomp_data has them; the low word of an argument comes first on both machines.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_SET_MODE_FILTER, _GET_ACTION_AVAILABLE = 1, 2
_NO_SUCH_FLAGS: Final = 1 << 31
_INSTRUCTION: Final = struct.Struct("=HBBI")
#: Numbers compared one by one: fewer make a longer program, which takes longer to lay.
_BUCKET: Final = 6
_libc: Final = ctypes.CDLL(None, use_errno=True)

#: Code, jump if so, jump if not, operand (None: the process's own number).
Instruction = tuple[int, int, int, int | None]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


@lru_cache(maxsize=1)
def offered() -> bool:
    """Tell whether the kernel takes filters that answer with an error."""
    action = ctypes.byref(ctypes.c_uint32(_ERRNO))
    return bool(_libc.syscall(here()["seccomp"], _GET_ACTION_AVAILABLE, 0, action) == 0)


class Filter:
    """The filter of this very process, ready to be laid: its own number stands in it.

    Parameters
    ----------
    openings
        What it lets through.
    """

    def __init__(self, openings: Openings) -> None:
        template, places = compiled(platform.machine(), openings)
        code = bytearray(template)
        own = struct.pack("=I", os.getpid())
        for place in places:
            code[place : place + 4] = own
        self._program = _Program(len(code) // _INSTRUCTION.size, bytes(code))
        self.openings = openings

    def lay(self, *, really: bool = True) -> None:
        """Refuse this process, from now on, what the rules refuse; needs no_new_privs.

        Not ``really``: asks for it with flags that do not exist, which the kernel refuses.

        Raises
        ------
        OSError
            The kernel takes no filter.
        """
        flags, program = 0 if really else _NO_SUCH_FLAGS, ctypes.byref(self._program)
        if _libc.syscall(here()["seccomp"], _SET_MODE_FILTER, flags, program) != 0 and really:
            failed = ctypes.get_errno()
            raise OSError(failed, f"seccomp: {os.strerror(failed)}")


@lru_cache(maxsize=16)
def compiled(machine: str, openings: Openings) -> tuple[bytes, tuple[int, ...]]:
    """Give the program for a machine, and where in it the process's own number goes."""
    known = numbers(machine)
    by_number = {known[name]: rule for name, rule in rules(openings).items() if name in known}
    body = program(_ARCHITECTURES[machine], sorted(by_number.items()))
    code = b"".join(_INSTRUCTION.pack(op, so, no, k or 0) for op, so, no, k in body)
    size = _INSTRUCTION.size
    places = [at * size + size - 4 for at, (*_, k) in enumerate(body) if k is None]
    return code, tuple(places)


def program(architecture: int, by_number: Sequence[tuple[int, Rule]]) -> list[Instruction]:
    """Give the instructions for rules by number, ascending.

    Calls of another set than the machine's own, such as those of 32 bits, are refused; a call that
    is newer than the table of numbers does not exist.
    """
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_IF_AT_LEAST, 0, 1, NEWEST + 1),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        *_search(by_number),
    ]


def _search(by_number: Sequence[tuple[int, Rule]]) -> list[Instruction]:
    """Give what looks a number up among rules; what has none is let through."""
    if len(by_number) <= _BUCKET:
        return _bucket(by_number)
    middle = len(by_number) // 2
    below, above = _search(by_number[:middle]), _search(by_number[middle:])
    # A jump goes at most 255 instructions far; an unconditional one any distance.
    return [
        (_IF_AT_LEAST, 0, 1, by_number[middle][0]),
        (_JUMP, 0, 0, len(below)),
        *below,
        *above,
    ]


def _bucket(by_number: Sequence[tuple[int, Rule]]) -> list[Instruction]:
    """Give what compares a number with some, one after the other."""
    made: list[Instruction] = [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    for number, rule in reversed(by_number):
        if rule == Rule():
            made = [(_IF_EQUAL, len(made) - 1, 0, number), *made]
        else:
            answer = _answer(rule)
            made = [(_IF_EQUAL, 0, len(answer), number), *answer, *made]
    return made


def _answer(rule: Rule) -> list[Instruction]:
    """Give what looks at the arguments of one call."""
    made: list[Instruction] = []
    for alternative in rule.unless:
        checks: list[Instruction] = [(_RETURN, 0, 0, _ALLOW)]
        for check in reversed(alternative):
            checks = [*_compared(check, len(checks)), *checks]
        made += checks
    return [*made, (_RETURN, 0, 0, _ERRNO | rule.error)]


def _compared(check: Check, rest: int) -> list[Instruction]:
    """Give what goes on when a check holds, and else past what follows in its alternative."""
    place = _ARGUMENTS + 8 * check.argument + (4 if check.high else 0)
    masked: list[Instruction] = [] if check.mask == WORD else [(_AND, 0, 0, check.mask)]
    jumps = (0, rest) if check.equal else (rest, 0)
    return [(_LOAD, 0, 0, place), *masked, (_IF_EQUAL, *jumps, check.value)]
