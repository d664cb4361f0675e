"""Residents: a run in a process that lives on, beside an echo between two processes."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import ours
from benchmarks.measure import Figure, Rounds, Settings, Target, percentile, require
from benchmarks.processes import DUE
from optifire.core.job import Placement
from optifire.core.ports import RunRequest
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.residents import ResidentWorker, blind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Runs and echoes of one measurement, and of either before the first that counts.
RUNS = 2_000
WARM = 200
#: Bytes of an echo: about those of an order.
ORDER = b"x" * 300


def resident(settings: Settings) -> list[Figure]:
    """Measure the round trip of a run that does nothing."""
    kept, spent = Rounds(), Spent()
    asyncio.run(_taking_turns(settings.fresh("home"), kept, spent))
    note = "floor: an echo of 300 bytes from another process, through the loop"
    said = "processor time; the two take turns, so that a run takes no less than both"
    return [
        _figure(kept, 50, (Target("most", 120.0),), note),
        _figure(kept, 99),
        Figure("resident", "the service's part", "us", [spent.service / RUNS * 1e6], note=said),
        Figure("resident", "the process's part", "us", [spent.process / RUNS * 1e6]),
    ]


@dataclass(slots=True)
class Spent:
    """Seconds of processor time that all runs took, in the service and in the plugin's process."""

    service: float = 0.0
    process: float = 0.0


def _figure(kept: Rounds, percent: int, targets: Sequence[Target] = (), note: str = "") -> Figure:
    ran, echoed = percentile(kept.ours, percent), percentile(kept.floor, percent)
    name = f"resident no-op, p{percent}"
    return Figure("resident", name, "us", [ran], [echoed], (), tuple(targets), note)


async def _taking_turns(folder: Path, kept: Rounds, spent: Spent) -> None:
    """Take turns: a run, and an echo."""
    code = ours.write_plugin(folder / "plugins", "noop")
    schedule = ours.schedule_of("@manual")
    job = ours.job_of("noop", code, schedule, placement=Placement.RESIDENT)
    view = RunView(CycleView({}, None), job.plugin_id)
    isolated = IsolatedWorker(WorkerSettings(folder, folder / "data"))
    await isolated.start()
    worker = ResidentWorker(isolated, lambda: DUE, blind)
    near, child = _echo()
    key = RunKey(PluginId("noop"), DUE)
    try:
        for number in range(RUNS + WARM):
            request = RunRequest(key, key.run_id, number, job, DUE, 30.0, {}, view)
            if number == WARM:
                spent.process = -_process_time(worker)
            own, began = time.process_time(), time.perf_counter()
            outcome = await worker.run(request)
            ran, own = time.perf_counter(), time.process_time() - own
            await _echoed(near)
            ended = time.perf_counter()
            require(outcome.status, RunStatus.SUCCEEDED, str(outcome.failure))
            if number >= WARM:
                kept.ours.append((ran - began) * 1e6)
                kept.floor.append((ended - ran) * 1e6)
                spent.service += own
        spent.process += _process_time(worker)
    finally:
        near.close()
        await asyncio.to_thread(os.waitpid, child, 0)
        await worker.stop()
        await isolated.stop()


def _process_time(worker: ResidentWorker) -> float:
    """Give the processor seconds that the one process has had (clock_getcpuclockid(3))."""
    (pid,) = worker.pids()
    return time.clock_gettime((~pid << 3) | 2)


def _echo() -> tuple[socket.socket, int]:
    """Start a process that sends back what it is sent."""
    near, far = socket.socketpair()
    child = os.fork()
    if child == 0:
        near.close()
        while data := far.recv(len(ORDER)):
            far.sendall(data)
        os._exit(0)
    far.close()
    near.setblocking(False)  # noqa: FBT003 - its only argument
    return near, child


async def _echoed(near: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(near, ORDER)
    left = len(ORDER)
    while left:
        left -= len(await loop.sock_recv(near, left))
