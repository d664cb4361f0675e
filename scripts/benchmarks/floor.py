"""The floor: plain asyncio and sqlite3, no scheduler, no gates, no library. Nobody can do less."""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: One run as the floor records it: job, start, end, status, result.
Record = tuple[str, float, float, str, str | None]

INSERT = "INSERT INTO runs(job, started, ended, status, result) VALUES(?, ?, ?, ?, ?)"
BEGUN = "INSERT INTO runs(job, started, status) VALUES(?, ?, 'running')"
ENDED = "UPDATE runs SET ended = ?, status = ?, result = ? WHERE id = ?"


def database(folder: Path, synchronous: str) -> sqlite3.Connection:
    """Open a database in WAL mode with one table of runs."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS runs(id INTEGER PRIMARY KEY, job TEXT, started REAL,"
        " ended REAL, status TEXT, result TEXT)"
    )
    return connection


async def nothing() -> None:
    """Do what the job of every workload does."""


async def recorded(job: str, out: list[Record]) -> None:
    """Make one run and keep its record."""
    started, status = time.time(), "ok"
    result: str | None = None
    try:
        await nothing()
    except Exception as error:  # noqa: BLE001 - as a recorder must
        result, status = repr(error), "err"
    out.append((job, started, time.time(), status, result))


async def burst(connection: sqlite3.Connection, runs: int) -> float:
    """Make runs at once: start rows in one transaction, then the runs, then their ends."""
    began = time.perf_counter()
    now = time.time()
    connection.execute("BEGIN")
    connection.executemany(BEGUN, [("j", now)] * runs)
    connection.execute("COMMIT")
    last = connection.execute("SELECT max(id) FROM runs").fetchone()[0]
    out: list[Record] = []
    await asyncio.gather(*[asyncio.create_task(recorded("j", out)) for _ in range(runs)])
    connection.execute("BEGIN")
    connection.executemany(
        ENDED,
        [(end, status, result, last - n) for n, (_, _, end, status, result) in enumerate(out)],
    )
    connection.execute("COMMIT")
    return time.perf_counter() - began


def layers_of(needs: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Give the nodes of a graph layer by layer."""
    layers: list[list[int]] = []
    placed: dict[int, int] = {}
    for node, producers in needs.items():
        depth = placed[node] = 1 + max((placed[each] for each in producers), default=-1)
        if depth == len(layers):
            layers.append([])
        layers[depth].append(node)
    return layers


async def cycle(connection: sqlite3.Connection, layers: Sequence[Sequence[int]]) -> None:
    """Run a graph; one commit holds the ends of a layer and the starts of the next."""
    ended: list[tuple[float, str, str | None, int]] = []
    for layer in (*layers, ()):
        now = time.time()
        connection.execute("BEGIN")
        connection.executemany(ENDED, ended)
        ids = [connection.execute(BEGUN, (str(node), now)).lastrowid or 0 for node in layer]
        connection.execute("COMMIT")
        out: list[Record] = []
        await asyncio.gather(*[asyncio.create_task(recorded(str(node), out)) for node in layer])
        ended = [
            (end, status, result, row)
            for (_, _, end, status, result), row in zip(out, ids, strict=True)
        ]


async def interval(
    connection: sqlite3.Connection, jobs: int, seconds: float, *, staggered: bool
) -> list[float]:
    """Fire jobs once a second from a heap, a batch of rows a round; gives how late each was."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    out: list[Record] = []
    start = loop.time() + 0.5
    heap = [(start + (number / jobs if staggered else 0), number) for number in range(jobs)]
    heapq.heapify(heap)

    async def run(due: float) -> None:
        now = loop.time()
        late.append(now - due)
        out.append(("j", due, now, "ok", None))

    running: set[asyncio.Task[None]] = set()
    while (due := heap[0][0]) < start + seconds:
        await asyncio.sleep(max(due - loop.time(), 0))
        now = loop.time()
        while heap[0][0] <= now and heap[0][0] < start + seconds:
            due, number = heap[0]
            heapq.heapreplace(heap, (due + 1, number))
            task = asyncio.create_task(run(due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(0)
        if out and heap[0][0] > loop.time():
            write(connection, out)
    await asyncio.sleep(0.1)
    return late


def write(connection: sqlite3.Connection, out: list[Record]) -> None:
    """Write records in one transaction and forget them."""
    connection.execute("BEGIN")
    connection.executemany(INSERT, out)
    connection.execute("COMMIT")
    out.clear()


async def serve(folder: Path, on_first: Callable[[], None], *, once: bool) -> None:
    """Hold 75 jobs for later, record a first run now, and wait; with ``once`` do not wait."""
    connection = database(folder, "FULL")
    loop = asyncio.get_running_loop()
    heap = [(loop.time() + 3600 + number, number) for number in range(75)]
    out: list[Record] = []
    await recorded("first", out)
    write(connection, out)
    on_first()
    if not once:
        await asyncio.sleep(heap[0][0] - loop.time())
