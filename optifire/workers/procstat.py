"""What the kernel tells of a process in one line: /proc/<pid>/stat (proc(5))."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from optifire.workers.statm import PAGE

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
#: Forked and no other program since (include/linux/sched.h).
_PF_FORKNOEXEC: Final = 0x40


class Stat(NamedTuple):
    """One process; a tuple, as it is made often.

    Attributes
    ----------
    state
        As one letter.
    begun
        When it began, in clock ticks since boot.
    cpu, waited
        Processor seconds of its own, and of all that it has waited for, to 10 ms each.
    resident
        Bytes in memory, what it shares with others included.
    forked
        True while it runs the program of its parent, whose pages it was given.
    """

    state: str
    parent: int
    threads: int
    begun: int
    cpu: float
    waited: float
    resident: int
    forked: bool


def stat_of(pid: int) -> Stat | None:
    """Give what is told of a process, None once it is gone; one that has ended is still told of."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        said = os.read(descriptor, 1024)
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)
    fields = said.rpartition(b")")[2].split(None, 22)  # the first is the state; see proc(5)
    return Stat(
        state=fields[0].decode(),
        parent=int(fields[1]),
        threads=int(fields[17]),
        begun=int(fields[19]),
        cpu=(int(fields[11]) + int(fields[12])) * _TICK,
        waited=(int(fields[13]) + int(fields[14])) * _TICK,
        resident=int(fields[21]) * PAGE,
        forked=bool(int(fields[6]) & _PF_FORKNOEXEC),
    )
