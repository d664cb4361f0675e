"""What is measured and how it is judged: rounds side by side, and medians of their ratios.

Every figure is a cost, so lower is better. A shared machine is never quiet: floor, peer and ours
take turns, a ratio is made of one round, and the median of the ratios is what is quoted.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: A figure of one trial.
Trial = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured, and in which folder.

    Attributes
    ----------
    rounds
        How often each of floor, peer and ours has its turn.
    runs
        The sizes of the bursts of W1.
    seconds
        How long W3 fires.
    idle
        How long W4 watches.
    """

    folder: Path
    rounds: int = 7
    runs: tuple[int, ...] = (1_000, 10_000)
    seconds: float = 20.0
    idle: float = 30.0

    def fresh(self, name: str) -> Path:
        """Give a new empty folder."""
        number = sum(1 for _ in self.folder.iterdir())
        made = self.folder / f"{number:04d}-{name}"
        made.mkdir()
        return made


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should reach.

    ``floor``: at most so many times the floor; ``peer``: the peer's is at least so many times
    ours; ``most``: at most so much, in the figure's own unit.
    """

    kind: Literal["floor", "peer", "most"]
    bound: float

    def __str__(self) -> str:
        words = {"floor": "{:g} x floor", "peer": "{:g} x ahead", "most": "<= {:g}"}
        return words[self.kind].format(self.bound)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: every round of floor, peer and ours, in one unit."""

    workload: str
    name: str
    unit: str
    ours: Sequence[float]
    floor: Sequence[float] = ()
    peer: Sequence[float] = ()
    targets: tuple[Target, ...] = ()
    note: str = ""

    @property
    def over_floor(self) -> float | None:
        """How many times the floor ours is; None without a floor."""
        return ratio(self.ours, self.floor)

    @property
    def ahead_of_peer(self) -> float | None:
        """How many times ours the peer's is; None without a peer."""
        return ratio(self.peer, self.ours)

    def meets(self, target: Target) -> bool:
        """Tell whether the figure reaches a target; one that cannot be compared does not."""
        over, ahead = self.over_floor, self.ahead_of_peer
        if target.kind == "floor":
            return over is not None and over <= target.bound
        if target.kind == "peer":
            return ahead is not None and ahead >= target.bound
        return statistics.median(self.ours) <= target.bound


@dataclass(slots=True)
class Rounds:
    """The figures of floor, peer and ours, round by round."""

    floor: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)


def ratio(above: Sequence[float], below: Sequence[float]) -> float | None:
    """Give the median of the ratios of rounds; of the medians where rounds do not pair.

    None where there is nothing to compare with: no rounds, or a figure of zero.
    """
    if not above or not below or not all(below):
        return None
    if len(above) == len(below):
        return statistics.median(one / other for one, other in zip(above, below, strict=True))
    return statistics.median(above) / statistics.median(below)


def in_turns(
    rounds: int, ours: Trial, *, floor: Trial | None = None, peer: Trial | None = None
) -> Rounds:
    """Measure in turns; a first round warms up and does not count."""
    kept = Rounds()
    for number in range(rounds + 1):
        for trial, figures in ((floor, kept.floor), (peer, kept.peer), (ours, kept.ours)):
            if trial is None:
                continue
            gc.collect()
            value = trial()
            if number:
                figures.append(value)
    return kept


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def require(done: object, expected: object, what: str) -> None:
    """Raise when a trial did not do its work: a quick nothing is not a figure."""
    if done != expected:
        raise RuntimeError(f"{what}: {done!r} instead of {expected!r}")
