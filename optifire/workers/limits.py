"""The child's side of limits: taken on when an attempt begins, judged when it has ended.

The number of processes is not among them: RLIMIT_NPROC counts all processes of a user and does
not bind root, so it would stop the service of an ordinary user and nobody else.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING, Final

from optifire.core.limits import FILE_BYTES, OPEN_FILES, Limits
from optifire.core.ports import Outcome
from optifire.core.run import Reason, RunStatus
from optifire.workers.refused import Refusals
from optifire.workers.sealed import hold_to

if TYPE_CHECKING:
    from collections.abc import Callable

#: What importing numpy reserves and does not touch: a buffer of OpenBLAS, 32 MB for each thread
#: (its common_x86_64.h, BUFFER_SIZE).
_RESERVED: Final = 32 << 20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def attempt_within(limits: Limits | None, attempt: Callable[[], Outcome]) -> Outcome:
    """Make an attempt under limits, without any where there are none (a replay).

    An attempt that was refused memory is over budget, whatever it made of the refusal: a plugin
    that goes on without what it asked for gives results nobody can judge.
    """
    if limits is None:
        return attempt()
    refusals = Refusals()
    take_on(limits)
    try:
        outcome = attempt()
    except MemoryError:  # even the account of what went wrong found no memory
        outcome = Outcome(RunStatus.OVER_BUDGET)
    raised = outcome.failure is not None and "MemoryError" in outcome.failure.traceback
    if not (refusals.seen() or raised or outcome.status is RunStatus.OVER_BUDGET):
        return outcome
    return Outcome(
        RunStatus.OVER_BUDGET, Reason("memory", "was refused memory"), failure=outcome.failure
    )


def take_on(limits: Limits, *, for_life: bool = False) -> None:
    """Have the kernel hold this process to its limits.

    One that makes many runs takes them on ``for_life``: without RLIMIT_CPU, which counts from the
    beginning of the process.

    RLIMIT_DATA counts private writable pages whether they were touched or not, and what is there
    already came from the zygote, so the growth of exactly that figure is what is limited.
    """
    size, data = _sizes()
    most = data + limits.mem_hard_bytes
    if "numpy" in sys.modules:
        _lower(resource.RLIMIT_DATA, most)
    else:
        _lower(resource.RLIMIT_DATA, most, most + _RESERVED)
        sys.meta_path.insert(0, _RoomForNumpy(most + _RESERVED))
    _lower(resource.RLIMIT_AS, size + limits.address_bytes)
    if not for_life:
        seconds = limits.cpu_backstop_s
        _lower(resource.RLIMIT_CPU, seconds, seconds + 1)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
    _lower(resource.RLIMIT_CORE, 0)
    hold_to(limits.mem_hard_bytes)


class _RoomForNumpy:
    """Makes room for what numpy reserves when a run imports it late; its pages stay untouched."""

    def __init__(self, size: int) -> None:
        self._size = size

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        """Find nothing, but see what is looked for."""
        if name == "numpy":
            sys.meta_path.remove(self)
            _lower(resource.RLIMIT_DATA, self._size)


def _sizes() -> tuple[int, int]:
    """Give this process's address space and its data with stack, in bytes (statm, proc(5))."""
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        fields = os.read(statm, 128).split()
    finally:
        os.close(statm)
    return int(fields[0]) * _PAGE, int(fields[5]) * _PAGE


def _lower(which: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, never above the one there is: a raise would be refused."""
    top = resource.getrlimit(which)[1]
    wanted = soft if hard is None else hard
    most = wanted if top == resource.RLIM_INFINITY else min(wanted, top)
    resource.setrlimit(which, (min(soft, most), most))
