"""A frame of 50 MB that one isolated run publishes and the next one reads."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import ours
from benchmarks.frames.impl import COLUMNS, PAGE
from benchmarks.measure import Figure, Settings, Target, require
from optifire.core.job import Code, Placement
from optifire.core.ports import Given, RunRequest
from optifire.core.run import RunKey, RunStatus, Source
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView
from optifire.workers.isolated import IsolatedWorker, WorkerSettings

if TYPE_CHECKING:
    from optifire.core.ports import Outcome
    from optifire.core.types import Encoded

DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)
FOLDER = Path(__file__).with_name("frames")
#: 50 MB of eight bytes a cell, and next to nothing.
LARGE, SMALL = 50_000_000 // 8 // COLUMNS, 1
#: Runs of each kind in one round; the quickest counts, as all others were held up.
TRIES = 5


@dataclass(slots=True)
class _Kept:
    """What each round gave: milliseconds, and megabytes that are the reader's alone."""

    publish: list[float] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)


def frame(settings: Settings) -> list[Figure]:
    """Measure publishing and reading, each less the same with a frame of one row."""
    kept = asyncio.run(_measured(settings))
    floor = "floor: as many bytes through a socket"
    most = (Target("most", 10.0),)
    return [
        Figure("frame", "50 MB published", "ms", kept.publish, kept.copied, note=floor),
        Figure("frame", "50 MB to the next worker", "ms", kept.given, kept.copied, (), most, floor),
        Figure("frame", "50 MB, every page read there", "ms", kept.read, kept.copied, note=floor),
        Figure(
            "frame",
            "50 MB read by the next worker: private",
            "MB",
            kept.private,
            targets=(Target("most", 5.0),),
            note="while all of it is read",
        ),
    ]


async def _measured(settings: Settings) -> _Kept:
    folder, kept = settings.fresh("home"), _Kept()
    worker = IsolatedWorker(WorkerSettings(folder, folder, warm=()))
    await worker.start()
    try:
        for number in range(settings.rounds + 1):
            values: dict[int, Encoded] = {}
            publish: dict[int, float] = {}
            for rows in (SMALL, LARGE):
                publish[rows], outcome = await _quickest(worker, {"rows": rows})
                values[rows] = outcome.outputs["frame"]
            bare, _ = await _quickest(worker, {"all": False}, values[SMALL])
            given, last = await _quickest(worker, {"all": False}, values[LARGE])
            require(_used(last)["cells"], LARGE * COLUMNS - 1.0, "the last cell")
            read, whole = await _quickest(worker, {"all": True}, values[LARGE])
            require(_used(whole)["cells"], _total(), "sum of a cell of each page")
            if number:
                kept.publish.append(publish[LARGE] - publish[SMALL])
                kept.given.append(given - bare)
                kept.read.append(read - bare)
                kept.private.append(_used(whole)["mb"])
                kept.copied.append(min(_copied(bytes(values[LARGE])) for _ in range(TRIES)))
    finally:
        await worker.stop()
    return kept


async def _quickest(
    worker: IsolatedWorker, config: dict[str, Any], given: Encoded | None = None
) -> tuple[float, Outcome]:
    """Give the milliseconds of the quickest of some runs, less the plugin's own, and its outcome.

    Its own is making the frame; what reads one touches a cell, or one of every page.
    """
    made: list[tuple[float, Outcome]] = []
    for _ in range(TRIES):
        request = _asked(config, given)
        began = time.perf_counter()
        outcome = await worker.run(request)
        took = (time.perf_counter() - began) * 1e3
        require(outcome.status, RunStatus.SUCCEEDED, f"{outcome.reason} {outcome.failure}")
        made.append((took - _used(outcome)["own_ms"], outcome))
    return min(made, key=lambda each: each[0])


def _asked(config: dict[str, Any], given: Encoded | None) -> RunRequest:
    schedule = ours.schedule_of("@manual")
    job = ours.job_of("frames", FOLDER, schedule, placement=Placement.ISOLATED)
    code = Code(str(FOLDER), "Frames", "bench", ("numpy", "pandas"))
    job = replace(job, plugin_id=PluginId("frames"), code=code, config=config)
    key = RunKey(job.plugin_id, DUE)
    view = RunView(CycleView({}, None), job.plugin_id)
    source = Source(key.run_id, DUE)
    values = {} if given is None else {"frame": Given(given, source)}
    return RunRequest(key, key.run_id, 1, job, DUE, 30.0, values, view)


def _used(outcome: Outcome) -> Any:  # noqa: ANN401 - what the plugin gives
    return msgspec.msgpack.decode(outcome.outputs["used"])


def _total() -> float:
    """Give the sum of one cell of each page of the frame."""
    return float(sum(sum(range(n * LARGE, (n + 1) * LARGE, PAGE)) for n in range(COLUMNS)))


def _copied(data: bytes) -> float:
    """Give the milliseconds in which bytes get through a socket, into memory of their reader."""
    near, far = socket.socketpair()
    with near, far:
        sender = threading.Thread(target=near.sendall, args=(data,))
        began = time.perf_counter()
        sender.start()
        kept, place = memoryview(bytearray(len(data))), 0
        while place < len(data):
            place += far.recv_into(kept[place:])
        took = (time.perf_counter() - began) * 1e3
        sender.join()
    return took
