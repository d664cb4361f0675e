"""W1 and W2: many runs at once, and a graph of runs."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import floor, ours, peer
from benchmarks.measure import Figure, Settings, Target, in_turns, require
from optifire.runtime.engine import Pace

if TYPE_CHECKING:
    from pathlib import Path

    from optifire.core.job import Job

#: How often a graph runs in one trial of W2.
CYCLES = 20
MICRO = 1e6


def dag() -> dict[int, list[int]]:
    """Give 75 nodes in four layers of 20, 30, 20 and 5, each needing two of the layer above."""
    needs: dict[int, list[int]] = {}
    above: list[int] = []
    for size in (20, 30, 20, 5):
        layer = [len(needs) + number for number in range(size)]
        for number, node in enumerate(layer):
            pair = {above[(2 * number + side) % len(above)] for side in (0, 1)} if above else set()
            needs[node] = sorted(pair)
        above = layer
    return needs


def w1(settings: Settings) -> list[Figure]:
    """Measure bursts of runs: each recorded at its start and at its end."""
    figures = []
    for runs in settings.runs:
        kept = in_turns(
            settings.rounds,
            partial(_our_burst, settings, runs),
            floor=partial(_floor_burst, settings, runs),
            peer=partial(_peer_burst, settings, runs),
        )
        figures.append(
            Figure(
                "W1",
                f"{runs:,} inline runs",
                "us/run",
                kept.ours,
                kept.floor,
                kept.peer,
                (Target("floor", 3.5), Target("peer", 3.5)),
            )
        )
    return figures


def _our_burst(settings: Settings, runs: int) -> float:
    return asyncio.run(_burst(settings, runs)) / runs * MICRO


def _peer_burst(settings: Settings, runs: int) -> float:
    return asyncio.run(peer.burst(settings.fresh("peer"), runs)) / runs * MICRO


def _floor_burst(settings: Settings, runs: int) -> float:
    connection = floor.database(settings.fresh("floor"), "FULL")
    wall = asyncio.run(floor.burst(connection, runs))
    done = connection.execute("SELECT count(*) FROM runs WHERE status = 'ok'").fetchone()[0]
    require(done, runs, "the floor's runs")
    connection.close()
    return wall / runs * MICRO


async def _burst(settings: Settings, runs: int) -> float:
    """Owe the latest occurrence of so many hourly jobs at one instant, and run them all."""
    folder = settings.fresh("ours")
    code = ours.write_plugin(folder, "noop")
    hourly = ours.schedule_of("interval_1h")
    jobs = [ours.job_of(f"noop_{number}", code, hourly) for number in range(runs)]
    return await _catch_up(folder, jobs, hours=1)


async def _catch_up(folder: Path, jobs: list[Job], hours: int) -> float:
    """Run every occurrence of the last hours, one cycle after another; gives the seconds."""
    house = await ours.House.open(folder)
    try:
        now = house.clock.now()
        pace = Pace(in_step=True, until=now)
        engine = house.engine(ours.program_of(jobs), pace, start=now, since=now - hours * ours.HOUR)
        began = time.perf_counter()
        await engine.run()
        wall = time.perf_counter() - began
        require(await house.statuses(), {"succeeded": len(jobs) * hours}, "our runs")
    finally:
        await house.close()
    return wall


def w2(settings: Settings) -> list[Figure]:
    """Measure a cycle of 75 runs in four layers."""
    needs = dag()
    layers = floor.layers_of(needs)

    async def plain() -> float:
        connection = floor.database(settings.fresh("floor"), "FULL")
        began = time.perf_counter()
        for _ in range(CYCLES):
            await floor.cycle(connection, layers)
        wall = time.perf_counter() - began
        connection.close()
        return wall / CYCLES

    async def engine() -> float:
        folder = settings.fresh("ours")
        code = ours.write_plugin(folder, "noop")
        hourly = ours.schedule_of("interval_1h")
        jobs = [
            ours.job_of(f"n{node:02d}", code, hourly, needs=[f"n{each:02d}" for each in producers])
            for node, producers in needs.items()
        ]
        return await _catch_up(folder, jobs, hours=CYCLES) / CYCLES

    kept = in_turns(
        settings.rounds,
        lambda: asyncio.run(engine()) * 1e3,
        floor=lambda: asyncio.run(plain()) * 1e3,
        peer=lambda: asyncio.run(peer.cycles(settings.fresh("peer"), needs, CYCLES)) * 1e3,
    )
    targets = (Target("floor", 2.0), Target("peer", 2.5))
    return [Figure("W2", "a cycle of 75", "ms", kept.ours, kept.floor, kept.peer, targets)]
