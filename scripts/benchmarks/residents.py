"""Residents: a run in a process that lives on, beside an echo between two processes."""

from __future__ import annotations

import asyncio
import os
import socket
import time
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
    kept = asyncio.run(_taking_turns(settings.fresh("home")))
    note = "floor: an echo of 300 bytes from another process, through the loop"
    return [
        _figure(kept, 50, (Target("most", 120.0),), note),
        _figure(kept, 99),
    ]


def _figure(kept: Rounds, percent: int, targets: Sequence[Target] = (), note: str = "") -> Figure:
    ran, echoed = percentile(kept.ours, percent), percentile(kept.floor, percent)
    name = f"resident no-op, p{percent}"
    return Figure("resident", name, "us", [ran], [echoed], (), tuple(targets), note)


async def _taking_turns(folder: Path) -> Rounds:
    code = ours.write_plugin(folder / "plugins", "noop")
    schedule = ours.schedule_of("@manual")
    job = ours.job_of("noop", code, schedule, placement=Placement.RESIDENT)
    view, kept = RunView(CycleView({}, None), job.plugin_id), Rounds()
    isolated = IsolatedWorker(WorkerSettings(folder, folder / "data"))
    await isolated.start()
    worker = ResidentWorker(isolated, lambda: DUE, blind)
    near, child = _echo()
    key = RunKey(PluginId("noop"), DUE)
    try:
        for number in range(RUNS + WARM):
            request = RunRequest(key, key.run_id, number, job, DUE, 30.0, {}, view)
            began = time.perf_counter()
            outcome = await worker.run(request)
            ran = time.perf_counter()
            await _echoed(near)
            ended = time.perf_counter()
            require(outcome.status, RunStatus.SUCCEEDED, str(outcome.failure))
            if number >= WARM:
                kept.ours.append((ran - began) * 1e6)
                kept.floor.append((ended - ran) * 1e6)
    finally:
        near.close()
        await asyncio.to_thread(os.waitpid, child, 0)
        await worker.stop()
        await isolated.stop()
    return kept


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
