"""W9: how long 200 ended runs wait for their commit beside a loop that is always busy."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import aiosqlite

from benchmarks import floor, marks, ours
from benchmarks.measure import Figure, Settings, Target, in_turns, require
from optifire.runtime.engine import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

#: Runs in flight, and the seconds after which a trial of the peer gives up.
IN_FLIGHT, GIVE_UP = 200, 4.0


def w9(settings: Settings) -> list[Figure]:
    """Measure how long 200 ended runs wait for their commit while the loop is always busy."""
    figures = []
    for turn in (0.00005, 0.0003, 0.003):
        kept = in_turns(
            min(settings.rounds, 5),
            partial(_milliseconds, _engine_beside, settings, turn),
            floor=partial(_milliseconds, _floor_beside, settings, turn),
            peer=partial(_milliseconds, _aiosqlite_beside, settings, turn),
        )
        figures.append(
            Figure(
                "W9",
                f"{IN_FLIGHT} runs end, turns of {turn * 1e3:g} ms",
                "ms",
                kept.ours,
                kept.floor,
                kept.peer,
                (Target("most", 200.0),),
                f"floor: one commit on the loop; peer: aiosqlite, given up after {GIVE_UP:g} s",
            )
        )
    return figures


def _milliseconds(
    work: Callable[[Settings, float], Coroutine[object, object, float]],
    settings: Settings,
    turn: float,
) -> float:
    return asyncio.run(work(settings, turn)) * 1e3


async def busy(turn: float) -> None:
    """Keep the loop busy in turns of so many seconds, for ever."""
    while True:
        until = time.perf_counter() + turn
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def _engine_beside(settings: Settings, turn: float) -> float:
    """Let 200 inline runs end at once beside a busy loop; gives the seconds to their commit."""
    folder = settings.fresh("ours")
    code = ours.write_plugin(
        folder, "noop", body="await GATE.wait()", imports="from benchmarks.marks import GATE"
    )
    hourly = ours.schedule_of("interval_1h")
    jobs = [ours.job_of(f"noop_{number}", code, hourly) for number in range(IN_FLIGHT)]
    house = await ours.House.open(folder)
    try:
        now = house.clock.now()
        pace = Pace(in_step=True, until=now)
        engine = house.engine(ours.program_of(jobs), pace, start=now, since=now - ours.HOUR)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(engine.run())
            await marks.GATE.all_wait(IN_FLIGHT)
            spinning = group.create_task(busy(turn))
            await asyncio.sleep(0.05)
            began = time.perf_counter()
            marks.GATE.open()
            await running
            wall = time.perf_counter() - began
            spinning.cancel()
        require(await house.statuses(), {"succeeded": IN_FLIGHT}, "our runs")
    finally:
        await house.close()
    return wall


async def _floor_beside(settings: Settings, turn: float) -> float:
    """Commit 200 rows on the loop itself, each made by a task of its own."""
    connection = floor.database(settings.fresh("floor"), "FULL")
    out: list[floor.Record] = []
    async with asyncio.TaskGroup() as group:
        spinning = group.create_task(busy(turn))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await asyncio.gather(*[floor.recorded("j", out) for _ in range(IN_FLIGHT)])
        floor.write(connection, out)
        wall = time.perf_counter() - began
        spinning.cancel()
    connection.close()
    return wall


async def _aiosqlite_beside(settings: Settings, turn: float) -> float:
    """Commit 200 rows through aiosqlite, each by a task of its own; at most `GIVE_UP` seconds."""
    floor.database(settings.fresh("peer"), "FULL").close()
    async with (
        aiosqlite.connect(settings.fresh("peer") / "peer.db", isolation_level=None) as database,
        asyncio.TaskGroup() as group,
    ):
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = FULL")
        await database.execute("CREATE TABLE runs(job, started, ended, status, result)")

        async def one() -> None:
            row = ("j", time.time(), time.time(), "ok", None)
            await database.execute("INSERT INTO runs VALUES(?, ?, ?, ?, ?)", row)

        spinning = group.create_task(busy(turn))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP):
                await asyncio.gather(*[one() for _ in range(IN_FLIGHT)])
        wall = time.perf_counter() - began
        spinning.cancel()
    return wall
