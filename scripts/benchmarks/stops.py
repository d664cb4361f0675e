"""How far a run gets over its budget before it is stopped, and how soon it is gone."""

from __future__ import annotations

import asyncio
import math
from array import array
from typing import TYPE_CHECKING

from benchmarks import spending
from benchmarks.forks import measured
from benchmarks.measure import Figure, Settings, Target
from optifire.core.budget import Budget
from optifire.core.limits import limits_for
from optifire.workers.isolated import IsolatedWorker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: What the runs may use; both are far above what a light process is rounded up to.
BUDGET = Budget(50.0, 64.0)
LIMITS = limits_for(BUDGET, light=True)
#: By polling alone: data that is in no data segment.
BY_POLLING = "shared memory, by polling alone"


def stop(settings: Settings) -> list[Figure]:
    """Measure a bomb of each kind and a loop without end, one after the other, in rounds."""
    over: dict[str, list[float]] = {"bomb": [], "shared_bomb": [], "burn": []}
    gone: dict[str, list[float]] = {"bomb": [], "shared_bomb": []}
    bare = []
    for _ in range(settings.rounds):
        folder = settings.fresh("home")
        (floor,) = measured("kill", 1, mb=int(LIMITS.mem_hard_mb))
        round_over, round_gone = asyncio.run(_round(folder))
        bare.append(floor.kill_ms)
        for kind, value in round_over.items():
            over[kind].append(value)
        for kind, value in round_gone.items():
            gone[kind].append(value)
    budget = f"over a budget of {BUDGET.mem_mb:g} MB"
    last = "from the last megabyte that it got to its record; floor: the kill of a bare fork"
    crossed = f"from {LIMITS.mem_hard_mb:g} MB to its record"
    return [
        _figure(f"memory bomb: {budget}", "MB", over["bomb"], 8.0),
        _figure("memory bomb: gone", "ms", gone["bomb"], 60.0, bare, last),
        _figure(f"{BY_POLLING}: {budget}", "MB", over["shared_bomb"], 70.0),
        _figure(f"{BY_POLLING}: gone", "ms", gone["shared_bomb"], 60.0, bare, crossed),
        _figure(f"loop: past {LIMITS.cpu_hard_ms:g} ms of processor", "ms", over["burn"], 15.0),
    ]


def _figure(
    name: str,
    unit: str,
    ours: list[float],
    most: float,
    floor: Sequence[float] = (),
    note: str = "",
) -> Figure:
    return Figure("stop", name, unit, ours, floor, (), (Target("most", most),), note)


async def _round(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Stop each kind once; gives how far each went, and how soon the bombs were gone."""
    worker = IsolatedWorker(WorkerSettings(folder, folder / "data"))
    over, gone = {}, {}
    try:
        await worker.start()
        spending.used(await worker.run(spending.asked("nothing")))
        for kind in ("bomb", "shared_bomb"):
            over[kind], gone[kind] = await _bomb(worker, kind, folder / f"{kind}.stamps")
        request = spending.asked("burn", budget=BUDGET, ms=60_000)
        outcome, _ = await spending.stopped(worker, request)
        over["burn"] = spending.figure(outcome.usage.cpu_ms) - LIMITS.cpu_hard_ms
    finally:
        await worker.stop()
    return over, gone


async def _bomb(worker: IsolatedWorker, kind: str, stamps: Path) -> tuple[float, float]:
    """Give the megabytes over budget, and the milliseconds until the process was gone."""
    request = spending.asked(kind, budget=BUDGET, stamps=str(stamps))
    outcome, gone = await spending.stopped(worker, request)
    had = array("d", stamps.read_bytes())  # noqa: ASYNC240 - nothing else goes on
    crossed = had[min(len(had), math.ceil(LIMITS.mem_hard_mb)) - 1]
    return spending.figure(outcome.usage.mem_mb) - BUDGET.mem_mb, (gone - crossed) * 1e3
