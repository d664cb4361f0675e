"""How exactly runs are metered: isolated ones, and inline ones that take turns."""

from __future__ import annotations

import asyncio
import gc
import statistics
from typing import TYPE_CHECKING

from benchmarks import spending
from benchmarks.forks import measured
from benchmarks.measure import Figure, Rounds, Settings, Target
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

#: Isolated runs of one round; inline runs that take turns.
RUNS, TOGETHER = 20, 4
CPU_MS, MEM_MB, TURNS_MS, TURN_MS = 7.0, 40, 100.0, 1.0


def meter(settings: Settings) -> list[Figure]:
    """Measure how far the figures of runs are from what the runs used by their own clocks."""
    cpu, cpu_half, mem, mem_half = Rounds(), Rounds(), Rounds(), Rounds()
    turns: list[float] = []
    for _ in range(settings.rounds):
        gc.collect()
        folder = settings.fresh("home")
        bare_cpu = [abs(each.cpu_ms - CPU_MS) for each in measured("burn", RUNS, ms=CPU_MS)]
        bare_mem = [abs(each.mem_mb - MEM_MB) for each in measured("hold", RUNS, mb=MEM_MB)]
        our_cpu = asyncio.run(_in_processes(folder, _cpu_error))
        our_mem = asyncio.run(_in_processes(folder, _mem_error))
        _keep(cpu, cpu_half, our_cpu, bare_cpu)
        _keep(mem, mem_half, our_mem, bare_mem)
        turns.append(asyncio.run(_in_turns(folder)))
    note = "floor: wait4 of a bare fork that does the same, less one that does nothing"
    worst = f"error, worst of {RUNS}"
    within = (Target("most", 2.0),)
    return [
        Figure("meter", f"isolated {CPU_MS:g} ms: {worst}", "ms", *_two(cpu), (), within, note),
        Figure("meter", f"isolated {CPU_MS:g} ms: median error", "ms", *_two(cpu_half)),
        Figure("meter", f"isolated {MEM_MB} MB: {worst}", "MB", *_two(mem), (), within, note),
        Figure("meter", f"isolated {MEM_MB} MB: median error", "MB", *_two(mem_half)),
        Figure(
            "meter",
            f"{TOGETHER} inline runs of {TURNS_MS:g} ms in turns: worst error",
            "%",
            turns,
            targets=within,
        ),
    ]


def _two(rounds: Rounds) -> tuple[list[float], list[float]]:
    return rounds.ours, rounds.floor


def _keep(worst: Rounds, half: Rounds, ours: Sequence[float], bare: Sequence[float]) -> None:
    worst.ours.append(max(ours))
    worst.floor.append(max(bare))
    half.ours.append(statistics.median(ours))
    half.floor.append(statistics.median(bare))


async def _in_processes(
    folder: Path, error: Callable[[IsolatedWorker], Awaitable[float]]
) -> list[float]:
    """Give the errors of some isolated runs, after one that does nothing."""
    worker = IsolatedWorker(WorkerSettings(folder, folder / "data"))
    try:
        await worker.start()
        spending.used(await worker.run(spending.asked("nothing")))
        return [await error(worker) for _ in range(RUNS)]
    finally:
        await worker.stop()


async def _cpu_error(worker: IsolatedWorker) -> float:
    outcome = await worker.run(spending.asked("burn", ms=CPU_MS))
    return abs(spending.figure(outcome.usage.cpu_ms) - float(spending.used(outcome)))


async def _mem_error(worker: IsolatedWorker) -> float:
    outcome = await worker.run(spending.asked("hold", mb=MEM_MB))
    return abs(spending.figure(outcome.usage.mem_mb) - float(spending.used(outcome)))


async def _in_turns(folder: Path) -> float:
    """Give the worst error of inline runs that take turns, in percent of what each used."""
    worker = InlineWorker(folder)
    asked = [
        spending.asked("take_turns", number=number, inline=True, ms=TURNS_MS, turn_ms=TURN_MS)
        for number in range(TOGETHER)
    ]
    outcomes = await asyncio.gather(*[worker.run(each) for each in asked])
    errors = []
    for outcome in outcomes:
        truth = float(spending.used(outcome))
        errors.append(abs(spending.figure(outcome.usage.cpu_ms) - truth) / truth * 100)
    return max(errors)
