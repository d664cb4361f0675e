"""How much memory the service leaves to its runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from optifire.core.limits import MIB
from optifire.ops.readings import memory_total, private, resident

if TYPE_CHECKING:
    from optifire.core.settings import SystemSettings

#: Seconds for which it is taken as unchanged what the service itself uses.
AGE: Final = 1.0


@dataclass(slots=True)
class Room:
    """What there is for the service and its runs, less what its standing processes use.

    It satisfies `optifire.runtime.slots.Room`.

    Parameters
    ----------
    most_mb
        What all may use together, in megabytes of 2**20 bytes.
    pids
        Gives the processes that stand: the service, its zygotes, residents.
    monotonic
        Gives seconds that only grow.
    spares
        Gives those that were forked ahead, of which counts what is theirs alone.
    files
        Gives the bytes in files of memory that are held and in no process's figure yet.
    """

    most_mb: float
    pids: Callable[[], Sequence[int]]
    monotonic: Callable[[], float]
    spares: Callable[[], Sequence[int]] = tuple
    files: Callable[[], int] = int
    _used: tuple[float, float] | None = field(default=None, init=False)

    def left_mb(self) -> float:
        """Give how much the service leaves to its runs now."""
        now = self.monotonic()
        if self._used is None or now - self._used[0] > AGE:
            used = resident(self.pids()) + private(self.spares()) + self.files()
            self._used = (now, used / MIB)
        return self.most_mb - self._used[1]


def room_of(
    settings: SystemSettings,
    pids: Callable[[], Sequence[int]],
    monotonic: Callable[[], float],
    spares: Callable[[], Sequence[int]] = tuple,
    files: Callable[[], int] = int,
) -> Room:
    """Give the room that the settings leave on this machine."""
    most = settings.memory_on(memory_total(os.getpid()) / MIB)
    return Room(most, pids, monotonic, spares, files)
