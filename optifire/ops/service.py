"""Which process is the service, as seen from wherever a run executes.

A worker is forked from a zygote, and a zygote is what the service exec'ed with ``child.py``. Going
up from a run, the first process that does not run ``child.py`` is therefore the service, however
it was started itself; an inline run is in the service and finds its own process.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol

import psutil

from optifire.core.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Who adopts orphans, unless it is the service itself, as in a container.
INIT = 1


class Ancestor(Protocol):
    """What the walk asks of a process (`psutil.Process` has it)."""

    @property
    def pid(self) -> int:
        """The process id."""

    def cmdline(self) -> list[str]:
        """Give the command line."""

    def ppid(self) -> int:
        """Give the id of its parent, 0 if it has none that can be seen."""


def is_zygote(cmdline: Sequence[str]) -> bool:
    """Tell whether a command line is that of a zygote, which its forks share."""
    for word, following in pairwise([*cmdline, ""]):
        if word == "-m" and following == "optifire.child":
            return True
        if PurePath(word).parts[-2:] == ("optifire", "child.py"):
            return True
    return False


def service_pid(
    start: int | None = None, open_process: Callable[[int], Ancestor] = psutil.Process
) -> int:
    """Give the process id of the service that a process (None: this one) works for.

    Raises
    ------
    TransientError
        The service has ended, and its workers are about to.
    """
    process = open_process(os.getpid() if start is None else start)
    while is_zygote(process.cmdline()):
        parent = process.ppid()
        if parent == 0:
            raise _ended(process)
        process = open_process(parent)
    if process.pid == INIT and not any("optifire" in word for word in process.cmdline()):
        raise _ended(process)
    return process.pid


def _ended(process: Ancestor) -> TransientError:
    return TransientError(
        "the service that started this run has ended",
        where=f"process {process.pid}",
        remedy="Start it again; it recovers what was running",
    )
