"""Spares: children forked ahead, which a run takes, pays nothing for and cannot be hurt by."""

from __future__ import annotations

import os
import signal
import time
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from optifire.core.permissions import Grants
from optifire.core.run import RunStatus
from optifire.runtime.clock import real_pause
from optifire.workers import landlock, seccomp
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from trial_until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from optifire.core.ports import Outcome
    from tests.workers.conftest import Ask

OWN_STATUS = Path("/proc/self/status").read_text()
pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def working(home: Path, spares: int) -> AsyncIterator[IsolatedWorker]:
    worker = IsolatedWorker(WorkerSettings(home, home / "data", spares=spares))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def a_spare(worker: IsolatedWorker, *, but: int = 0) -> int:
    """Give the process of the one spare, waiting until it is there and waits for its order."""
    await until(lambda: len(worker.zygotes.spares()) == 1 and worker.zygotes.spares() != [but])
    (pid,) = worker.zygotes.spares()
    await until(lambda: psutil.Process(pid).status() == psutil.STATUS_SLEEPING)
    return pid


def status_line(status: str, name: str) -> str:
    """Give one line of /proc/<pid>/status."""
    return next(line for line in status.splitlines() if line.startswith(f"{name}:"))


def outputs(outcome: Outcome) -> dict[str, Any]:
    """Give the outputs of a run, which must have succeeded."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


async def test_a_run_takes_the_spare_and_another_takes_its_place(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        first = await a_spare(worker)
        assert outputs(await worker.run(ask("process")))["pid"] == first
        second = await a_spare(worker, but=first)
        assert outputs(await worker.run(ask("process")))["pid"] == second


async def test_a_run_in_a_spare_has_what_any_other_run_has(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        pid = await a_spare(worker)
        spare = outputs(await worker.run(ask("process")))
        fresh = outputs(await worker.run(ask("process")))
        assert (spare["pid"], spare["group"]) == (pid, pid)
        assert fresh["pid"] != pid
        for name in ("files", "environment", "modules"):
            assert spare[name] == fresh[name], name


@pytest.mark.skipif(not seccomp.offered(), reason="this kernel filters no calls")
async def test_the_sandbox_goes_around_a_run_in_a_spare(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        pid = await a_spare(worker)
        free = ask("process")
        confined = ask("leave_process", config={"where": str(tmp_path / "started")})
        confined.job = replace(confined.job, sandbox=True)
        outcome = await worker.run(confined)
        assert outcome.status is RunStatus.FAILED, outcome.reason
        assert outcome.failure is not None
        assert "Permission" in outcome.failure.type
        assert not psutil.pid_exists(pid)
        assert outputs(await worker.run(free))["pid"] != pid


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
async def test_what_a_run_in_a_spare_is_granted_is_allowed_to_no_other_one(
    tmp_path: Path, ask: Ask
) -> None:
    file = tmp_path / "granted"
    file.write_text("for one of them")
    free = ask("read_file", config={"path": str(file)})
    held, granted = deepcopy(free), deepcopy(free)
    held.job = replace(free.job, sandbox=True)
    granted.job = replace(held.job, grants=Grants(read=(str(file),)))
    async with working(tmp_path, spares=2) as worker:
        await until(lambda: len(worker.zygotes.spares()) == 2)
        found = [await worker.run(each) for each in (granted, held, free)]
        assert [outcome.status for outcome in found] == [
            RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SUCCEEDED
        ]  # fmt: skip
        assert found[1].reason is not None
        assert found[1].reason.code == "not permitted"


async def test_a_spare_is_held_to_nothing_before_its_order(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        await a_spare(worker)
        outcome = await worker.run(ask("read_file", config={"path": "/proc/self/status"}))
        for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapPrm"):
            assert status_line(outputs(outcome)["text"], name) == status_line(OWN_STATUS, name)


async def test_random_numbers_do_not_depend_on_the_process(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        await a_spare(worker)
        drawn = [outputs(await worker.run(ask(do))) for do in ("draw", "draw_own") * 2]
        assert drawn[:2] == drawn[2:]


async def test_a_spare_that_dies_is_replaced_and_nobody_hears_of_it(
    tmp_path: Path, ask: Ask
) -> None:
    async with working(tmp_path, spares=1) as worker:
        first = await a_spare(worker)
        os.kill(first, signal.SIGKILL)
        second = await a_spare(worker, but=first)
        assert outputs(await worker.run(ask("process")))["pid"] == second


async def test_a_run_that_takes_a_dead_spare_is_made_in_another_process(
    tmp_path: Path, ask: Ask
) -> None:
    async with working(tmp_path, spares=1) as worker:
        dead = await a_spare(worker)
        os.kill(dead, signal.SIGKILL)  # which the service has not heard of when the run begins
        assert worker.zygotes.spares() == [dead]
        assert outputs(await worker.run(ask("process")))["pid"] != dead


async def test_a_run_that_dies_in_a_spare_is_a_crash_and_is_not_made_again(
    tmp_path: Path, ask: Ask
) -> None:
    async with working(tmp_path, spares=1) as worker:
        await a_spare(worker)
        outcome = await worker.run(ask("exit_hard"))
        assert outcome.status is RunStatus.CRASHED
        assert outcome.log == b"about to go\n"


async def test_what_a_spare_took_before_its_run_is_not_charged(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        pid = await a_spare(worker)
        before = time.clock_gettime((~pid << 3) | 2) * 1e3  # its clock, clock_getcpuclockid(3)
        outcome = await worker.run(ask("x", plugin="siblings"))
        assert outputs(outcome) == {"a": 4, "b": 6}
        assert outcome.usage.cpu_ms is not None
        assert outcome.usage.cpu_ms < before


async def test_a_spare_without_the_plugins_code_is_not_taken_but_replaced(
    tmp_path: Path, ask: Ask
) -> None:
    async with working(tmp_path, spares=1) as worker:
        first = await a_spare(worker)
        request = ask("process", checksum="one")
        code, spares = request.job.code, (await worker.zygotes.light()).spares
        assert not spares.ready(code.folder, code.checksum)
        assert outputs(await worker.run(request))["pid"] != first
        second = await a_spare(worker, but=first)
        assert spares.ready(code.folder, code.checksum)
        assert outputs(await worker.run(ask("process", checksum="one")))["pid"] == second
        await until(lambda: not psutil.pid_exists(first))


async def test_spares_go_with_their_zygote_and_come_with_the_next(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=1) as worker:
        first = await a_spare(worker)
        (zygote,) = worker.zygote_pids()
        os.kill(zygote, signal.SIGKILL)
        await until(lambda: worker.zygote_pids() != [zygote])
        await until(lambda: not psutil.pid_exists(first))
        assert outputs(await worker.run(ask("count"))) == {"calls": 1}
        assert await a_spare(worker) != first


async def test_no_spare_outlives_the_worker(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=2) as worker:
        await until(lambda: len(worker.zygotes.spares()) == 2)
        spares = worker.zygotes.spares()
    assert not [pid for pid in spares if psutil.pid_exists(pid)]


async def test_there_are_none_where_none_are_wanted(tmp_path: Path, ask: Ask) -> None:
    async with working(tmp_path, spares=0) as worker:
        assert outputs(await worker.run(ask("count"))) == {"calls": 1}
        await real_pause(0.1)  # five times the time after which one would be forked
        assert worker.zygotes.spares() == []
