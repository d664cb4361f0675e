"""Signs of ill health: one small question each, pure, with what a person should know.

Every function gives no sign, or one that says how bad it is and why. A megabyte is 1,000,000 bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from optifire.ops.health import Level

if TYPE_CHECKING:
    from optifire.ops.meter import Sample

#: Seconds for which a late event loop counts, and how late it is for a person to know; from the
#: larger one on, a quarter of what systemd waits for, nobody can rely on the next run.
LAG_SPAN_S: Final = 60.0
LAG_AMBER_S: Final = 1.0
LAG_RED_S: Final = 15.0
#: Free space on the disk of the ledger: 1 GB is weeks of records, 100 MB may be one plugin's day.
DISK_AMBER_MB: Final = 1000.0
DISK_RED_MB: Final = 100.0
#: Memory of the machine that is taken, in percent: little is left, and the kernel begins to kill.
MACHINE_AMBER: Final = 95.0
MACHINE_RED: Final = 99.0
#: Share of what the service may use with its runs, from which on a person should know.
OWN_AMBER: Final = 0.9


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that is not well: which check found it, how bad it is, and why."""

    check: str
    level: Level
    reason: str


def loop_sign(worst_s: float) -> Sign | None:
    """Judge how late the event loop was, at most, in the last minute."""
    if worst_s < LAG_AMBER_S:
        return None
    level = Level.RED if worst_s >= LAG_RED_S else Level.AMBER
    said = f"the event loop was {worst_s:.1f} s late within the last {LAG_SPAN_S:g} s"
    return Sign("event_loop", level, said)


def disk_sign(free_mb: float) -> Sign | None:
    """Judge the free space on the file system of the ledger."""
    if free_mb >= DISK_AMBER_MB:
        return None
    level = Level.RED if free_mb < DISK_RED_MB else Level.AMBER
    return Sign("disk", level, f"{free_mb:,.0f} MB are free on the disk of the ledger")


def machine_sign(percent: float) -> Sign | None:
    """Judge how much of the machine's memory is taken, in percent."""
    if percent < MACHINE_AMBER:
        return None
    level = Level.RED if percent >= MACHINE_RED else Level.AMBER
    return Sign("memory", level, f"{percent:.0f} % of the machine's memory is taken")


def own_memory_sign(used_mb: float, most_mb: float) -> Sign | None:
    """Judge what the service uses with all its processes against what it may use."""
    if used_mb < OWN_AMBER * most_mb:
        return None
    said = f"the service uses {used_mb:,.0f} of the {most_mb:,.0f} MB of memory that it may"
    return Sign("memory", Level.RED if used_mb >= most_mb else Level.AMBER, said)


def memory_used(sample: Callable[[], Sample], deep: Callable[[], Sample], most_mb: float) -> float:
    """Give the megabytes that the service uses with its processes, shared pages counted once.

    That takes a walk over all pages (``deep``), which is made only where the sum that counts
    shared pages several times could be too much.
    """
    plain = sample().rss_mb
    if plain < OWN_AMBER * most_mb:
        return plain
    exact = deep().pss_mb
    return plain if exact is None else exact


@dataclass(slots=True)
class LoopLag:
    """How late the event loop was, in seconds, as far back as a minute.

    Parameters
    ----------
    monotonic
        Gives seconds that only grow.
    """

    monotonic: Callable[[], float]
    _seen: deque[tuple[float, float]] = field(default_factory=deque, init=False)

    def note(self, late_s: float) -> None:
        """Take in by how much a wait was longer than asked for."""
        now = self.monotonic()
        # Only what nothing later exceeds can still be the worst.
        while self._seen and self._seen[-1][1] <= late_s:
            self._seen.pop()
        self._seen.append((now, late_s))
        self._forget(now)

    def worst(self) -> float:
        """Give the longest delay of the last minute; 0 where nothing was noted."""
        self._forget(self.monotonic())
        return self._seen[0][1] if self._seen else 0.0

    def _forget(self, now: float) -> None:
        while self._seen and now - self._seen[0][0] > LAG_SPAN_S:
            self._seen.popleft()
