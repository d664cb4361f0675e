"""The ledger alone: what one durable run record costs, with one and with 100 in flight."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks import floor
from benchmarks.measure import Figure, Settings, Target, in_turns, require
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.clock import wall_now
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)
#: Rows of one trial, by how many are in flight.
ROWS = {1: 500, 100: 20_000}


def ledger(settings: Settings) -> list[Figure]:
    """Measure durable rows, FULL, each acknowledged to who wrote it."""
    figures = []
    for flight, rows in ROWS.items():
        kept = in_turns(
            settings.rounds,
            partial(_our_rows, settings, rows, flight),
            floor=partial(_floor, settings, rows, flight),
        )
        figures.append(
            Figure(
                "ledger",
                f"a durable row, {flight} in flight",
                "us/row",
                kept.ours,
                kept.floor,
                targets=(Target("most", 50.0),) if flight > 1 else (),
                note="floor: sqlite3 alone, a transaction of as many rows as are in flight",
            )
        )
    return figures


def _floor(settings: Settings, rows: int, flight: int) -> float:
    connection = floor.database(settings.fresh("floor"), "FULL")
    began = time.perf_counter()
    for _ in range(rows // flight):
        floor.write(connection, [("j", 0.0, 0.0, "ok", None)] * flight)
    wall = time.perf_counter() - began
    connection.close()
    return wall / rows * 1e6


def _our_rows(settings: Settings, rows: int, flight: int) -> float:
    return asyncio.run(_ours(settings, rows, flight))


async def _ours(settings: Settings, rows: int, flight: int) -> float:
    """Let so many writers each commit one row after another, every row a batch of its own."""
    folder = settings.fresh("ours")
    store = SqliteStore(folder / "ours.db", clock=wall_now)
    await store.open()
    made = [_row(number) for number in range(rows)]

    async def writer(number: int) -> None:
        for row in made[number::flight]:
            await store.commit(Batch(runs=[row]))

    began = time.perf_counter()
    await asyncio.gather(*[writer(number) for number in range(flight)])
    wall = time.perf_counter() - began
    await store.close()
    async with LedgerReader(store.path) as reader:
        counted = sum(each["succeeded"] for each in (await reader.statuses()).values())
    require(counted, rows, "our rows")
    return wall / rows * 1e6


def _row(number: int) -> RunRow:
    due = DUE + timedelta(seconds=number // 75)
    row = new_run(RunKey(PluginId(f"noop_{number % 75}"), due), RunStatus.SUCCEEDED, "interval_1s")
    row.version, row.attempts, row.worker = "1.0.0", 1, "inline"
    row.started_at = row.finished_at = due
    return row
