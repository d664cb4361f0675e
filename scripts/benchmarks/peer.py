"""The peer: APScheduler 3 with its asyncio executor, and the glue a user would write around it.

It keeps no history of runs: a listener writes a row at each start and one at each end, each its
own commit, as a recorder that is called twice a run does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from apscheduler import events
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ENDS = events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR
UPDATE = (
    "UPDATE runs SET ended = ?, status = ?, result = ?"
    " WHERE id = (SELECT max(id) FROM runs WHERE job = ?)"
)


async def nothing() -> None:
    """Do what the job of every workload does."""


def scheduler() -> Any:  # noqa: ANN401 - APScheduler ships no types
    """Make a scheduler that keeps its jobs in memory."""
    return AsyncIOScheduler(executors={"default": AsyncIOExecutor()}, timezone="UTC")


def record(schedule: Any, folder: Path) -> sqlite3.Connection:  # noqa: ANN401 - as above
    """Have every start and every end written down, each as its own commit."""
    connection = sqlite3.connect(folder / "peer.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE runs(id INTEGER PRIMARY KEY, job TEXT, due TEXT, started REAL, ended REAL,"
        " status TEXT, result TEXT)"
    )
    connection.execute("CREATE INDEX runs_by_job ON runs(job)")

    def submitted(event: Any) -> None:  # noqa: ANN401 - as above
        connection.execute(
            "INSERT INTO runs(job, due, started, status) VALUES(?, ?, ?, 'running')",
            (event.job_id, str(event.scheduled_run_times[0]), time.time()),
        )

    def ended(event: Any) -> None:  # noqa: ANN401 - as above
        status = "err" if event.exception else "ok"
        connection.execute(UPDATE, (time.time(), status, repr(event.retval), event.job_id))

    schedule.add_listener(submitted, events.EVENT_JOB_SUBMITTED)
    schedule.add_listener(ended, ENDS)
    return connection


async def burst(folder: Path, runs: int) -> float:
    """Add jobs that are due now and wait for all of them."""
    schedule = scheduler()
    connection = record(schedule, folder)
    done, count = asyncio.Event(), 0

    def ended(_: object) -> None:
        nonlocal count
        count += 1
        if count == runs:
            done.set()

    schedule.add_listener(ended, ENDS)
    schedule.start()
    began = time.perf_counter()
    for _ in range(runs):
        schedule.add_job(nothing, misfire_grace_time=None)
    await done.wait()
    wall = time.perf_counter() - began
    schedule.shutdown(wait=False)
    connection.close()
    return wall


class Graph:
    """Runs a graph of jobs again and again: the glue that APScheduler does not have."""

    def __init__(self, schedule: Any, needs: Mapping[int, Sequence[int]]) -> None:  # noqa: ANN401
        self._schedule = schedule
        self._needs = needs
        self._dependents: dict[int, list[int]] = {node: [] for node in needs}
        for node, producers in needs.items():
            for producer in producers:
                self._dependents[producer].append(node)
        schedule.add_listener(self._ended, events.EVENT_JOB_EXECUTED)

    async def run(self, number: int) -> None:
        """Run it once."""
        self._number = number
        self._waits = {node: len(producers) for node, producers in self._needs.items()}
        self._left = len(self._needs)
        self._done = asyncio.Event()
        for node, waits in list(self._waits.items()):
            if not waits:
                self._add(node)
        await self._done.wait()

    def _ended(self, event: Any) -> None:  # noqa: ANN401 - APScheduler ships no types
        for dependent in self._dependents[int(event.job_id.partition("-")[2])]:
            self._waits[dependent] -= 1
            if not self._waits[dependent]:
                self._add(dependent)
        self._left -= 1
        if not self._left:
            self._done.set()

    def _add(self, node: int) -> None:
        self._schedule.add_job(nothing, id=f"{self._number}-{node}", misfire_grace_time=None)


async def cycles(folder: Path, needs: Mapping[int, Sequence[int]], count: int) -> float:
    """Run a graph so many times; gives the seconds of one."""
    schedule = scheduler()
    connection = record(schedule, folder)
    graph = Graph(schedule, needs)
    schedule.start()
    began = time.perf_counter()
    for number in range(count):
        await graph.run(number)
    wall = time.perf_counter() - began
    schedule.shutdown(wait=False)
    connection.close()
    return wall / count


async def interval(folder: Path, jobs: int, seconds: float, *, staggered: bool) -> list[float]:
    """Fire jobs once a second; gives how late each was, with the plan's grace of a second."""
    schedule = scheduler()
    connection = record(schedule, folder)
    begun: dict[str, float] = {}
    late: list[float] = []

    async def beat(name: str) -> None:
        begun[name] = time.time()

    def ended(event: Any) -> None:  # noqa: ANN401 - APScheduler ships no types
        late.append(begun[event.job_id] - event.scheduled_run_time.timestamp())

    schedule.add_listener(ended, events.EVENT_JOB_EXECUTED)
    schedule.start(paused=True)
    start = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    for number in range(jobs):
        shift = dt.timedelta(seconds=number / jobs if staggered else 0)
        every = IntervalTrigger(
            seconds=1,
            start_date=start + shift,
            end_date=start + shift + dt.timedelta(seconds=seconds - 0.01),
            timezone="UTC",
        )
        schedule.add_job(beat, every, args=(str(number),), id=str(number))
    schedule.resume()
    await asyncio.sleep((start - dt.datetime.now(dt.UTC)).total_seconds() + seconds + 0.5)
    schedule.shutdown(wait=False)
    connection.close()
    return late


async def serve(folder: Path, on_first: Callable[[], None]) -> None:
    """Hold 75 jobs for the night, record a first run now, and wait."""
    schedule = scheduler()
    record(schedule, folder)
    for number in range(75):
        schedule.add_job(nothing, "cron", hour=3, minute=number % 60, id=str(number))
    first = schedule.add_job(nothing, misfire_grace_time=None)

    def ended(event: Any) -> None:  # noqa: ANN401 - as above
        if event.job_id == first.id:
            on_first()

    schedule.add_listener(ended, ENDS)
    schedule.start()
    await asyncio.Event().wait()
