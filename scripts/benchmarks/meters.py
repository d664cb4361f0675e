"""How exactly runs are metered: those in processes, and inline ones that take turns."""

from __future__ import annotations

import asyncio
import gc
import statistics
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import spending
from benchmarks.forks import measured
from benchmarks.measure import Figure, Settings, Target
from optifire.core.job import Placement
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.residents import ResidentWorker, blind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.forks import Bare
    from optifire.core.budget import Usage
    from optifire.core.ports import Worker

#: Runs of one round in processes; inline runs that take turns, each so long, in turns of so long.
RUNS, TOGETHER, TURNS_MS, TURN_MS = 20, 4, 100.0, 1.0
KINDS = (Placement.ISOLATED, Placement.RESIDENT)
NOTE = "floor: wait4 of a bare fork that does the same, less one that does nothing"


@dataclass(frozen=True, slots=True)
class Load:
    """What a run does, and how much of which unit that uses."""

    do: str
    much: int
    unit: str

    @property
    def config(self) -> dict[str, Any]:
        """How the load is told."""
        return {self.unit.lower(): self.much}

    def error(self, used: Usage | Bare, truth: float) -> float:
        """Give how far a figure is from the truth."""
        found = used.cpu_ms if self.unit == "ms" else used.mem_mb
        return abs(spending.figure(found) - truth)


LOADS = (Load("burn", 7, "ms"), Load("hold", 40, "MB"))


@dataclass(slots=True)
class Errors:
    """How far figures were from the truth, round by round: ours, and those of bare forks."""

    ours: list[list[float]] = field(default_factory=list)
    floor: list[list[float]] = field(default_factory=list)


def meter(settings: Settings) -> list[Figure]:
    """Measure how far the figures of runs are from what the runs used by their own clocks."""
    kept = {(kind, load): Errors() for load in LOADS for kind in KINDS}
    turns: list[float] = []
    for _ in range(settings.rounds):
        gc.collect()
        folder = settings.fresh("home")
        bare = {load: _of_forks(load) for load in LOADS}
        for (kind, load), errors in kept.items():
            errors.floor.append(bare[load])
            errors.ours.append(asyncio.run(_of_processes(folder, kind, load)))
        turns.append(asyncio.run(_in_turns(folder)))
    within = (Target("most", 2.0),)
    name = f"{TOGETHER} inline runs of {TURNS_MS:g} ms in turns: worst error"
    figures = [each for key, errors in kept.items() for each in _figures(*key, errors)]
    return [*figures, Figure("meter", name, "%", turns, targets=within)]


def _figures(kind: Placement, load: Load, errors: Errors) -> list[Figure]:
    what = f"{kind.value} {load.much} {load.unit}"
    return [
        Figure(
            "meter",
            f"{what}: error, worst of {RUNS}",
            load.unit,
            [max(each) for each in errors.ours],
            [max(each) for each in errors.floor],
            (),
            (Target("most", 2.0),),
            NOTE,
        ),
        Figure(
            "meter",
            f"{what}: median error",
            load.unit,
            [statistics.median(each) for each in errors.ours],
            [statistics.median(each) for each in errors.floor],
        ),
    ]


def _of_forks(load: Load) -> list[float]:
    return [load.error(each, load.much) for each in measured(load.do, RUNS, **load.config)]


async def _of_processes(folder: Path, kind: Placement, load: Load) -> list[float]:
    """Give the errors of some runs, after a first one."""
    request = spending.asked(load.do, placement=kind, **load.config)
    async with _worker(folder, kind) as worker:
        spending.used(await worker.run(request))
        outcomes = [await worker.run(request) for _ in range(RUNS)]
        return [load.error(each.usage, float(spending.used(each))) for each in outcomes]


@asynccontextmanager
async def _worker(folder: Path, kind: Placement) -> AsyncIterator[Worker]:
    """Start a worker of one kind, and end all its processes at the end of the block."""
    isolated = IsolatedWorker(WorkerSettings(folder, folder / "data"))
    resident = ResidentWorker(isolated, lambda: spending.DUE, blind)
    try:
        await isolated.start()
        yield resident if kind is Placement.RESIDENT else isolated
    finally:
        await resident.stop()
        await isolated.stop()


async def _in_turns(folder: Path) -> float:
    """Give the worst error of inline runs that take turns, in percent of what each used."""
    worker = InlineWorker(folder)
    asked = [
        spending.asked(
            "take_turns", number=number, placement=Placement.INLINE, ms=TURNS_MS, turn_ms=TURN_MS
        )
        for number in range(TOGETHER)
    ]
    outcomes = await asyncio.gather(*[worker.run(each) for each in asked])
    errors = []
    for outcome in outcomes:
        truth = float(spending.used(outcome))
        errors.append(abs(spending.figure(outcome.usage.cpu_ms) - truth) / truth * 100)
    return max(errors)
