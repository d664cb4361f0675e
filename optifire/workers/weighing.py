"""What a run holds in memory together with all that it has started.

What each process has resident may not be added up: a fork shares the pages of its parent, and maps
may be shared. The kernel tells for each what nobody else has mapped, and its part of what others
have too, but goes through all pages for that: a millisecond for 50 MB and more. So that is asked in
a thread, only where the sum of all that is resident would be too much, and again only after a time.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds between two times in which one family is weighed, and what they are at least in
#: processor seconds of one time.
LEAST_PERIOD: Final = 0.1
PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Weight:
    """The memory of some processes: bytes.

    Attributes
    ----------
    parts
        The sum of their parts of each page that lies in no file of a disk (proc(5), Pss_Anon and
        Pss_Shmem): a page that three processes have mapped counts a third for each.
    own
        The sum of what each has written and nobody else has mapped (Private_Dirty).
    took
        Processor seconds that it took to find out.
    """

    parts: int
    own: int
    took: float


def weigh(first: int, others: Iterable[int]) -> Weight:
    """Weigh a run's own process and others; ``own`` counts the latter alone."""
    began = time.thread_time()
    parts, _ = _parts(first)
    own = 0
    for pid in others:
        more, dirty = _parts(pid)
        parts, own = parts + more, own + dirty
    return Weight(parts, own, time.thread_time() - began)


def _parts(pid: int) -> tuple[int, int]:
    """Give the parts and the own pages of one process, nothing of one that is gone or hidden."""
    said = b""
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        descriptor = os.open(f"/proc/{pid}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)
        try:
            said = os.read(descriptor, 4096)
        finally:
            os.close(descriptor)
    lines = (line.split() for line in said.splitlines()[1:])  # "Pss_Anon:   123 kB"
    size = {fields[0]: int(fields[1]) << 10 for fields in lines}
    get = size.get
    return get(b"Pss_Anon:", 0) + get(b"Pss_Shmem:", 0), get(b"Private_Dirty:", 0)


class Scales:
    """Weighs one family now and then.

    Attributes
    ----------
    weighed
        The bytes that it has at least been found to hold beyond what its run was given.
    """

    __slots__ = ("_next", "weighed")

    def __init__(self) -> None:
        self.weighed = 0
        self._next = -math.inf

    def ready(self, now: float) -> bool:
        """Tell whether a family may be put on them: none is, and the last one was long ago."""
        return now >= self._next

    def put(self, first: int, others: Iterable[int], *, grown: int, given: int, now: float) -> None:
        """Have a family weighed, unless that is going on or it is too early to do it again.

        Both ways of counting leave something out and neither counts a page twice, so the larger
        one holds: what the run's own process has ``grown`` by and what the others have for
        themselves; or all their parts, less the ``given`` pages, of the zygote or lent, of which
        some of these parts are.
        """
        if not self.ready(now):
            return
        self._next = math.inf
        loop = asyncio.get_running_loop()

        def weighed(future: asyncio.Future[Weight]) -> None:
            if not future.cancelled():
                weight = future.result()
                self.weighed = max(grown + weight.own, weight.parts - given)
                self._next = loop.time() + max(LEAST_PERIOD, PATIENCE * weight.took)

        loop.run_in_executor(None, weigh, first, tuple(others)).add_done_callback(weighed)
