"""Runs that go over their budgets: where they are stopped, and what their record says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from optifire.core.budget import Budget
from optifire.core.limits import FILE_BYTES, MIB, OPEN_FILES
from optifire.core.run import RunStatus
from optifire.workers import watching

if TYPE_CHECKING:
    from optifire.core.ports import Outcome, RunRequest
    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


def spend(
    ask: Ask, do: str, *, cpu_ms: float = 5000, mem_mb: float = 64, **rest: Any
) -> RunRequest:
    """Ask for a run that spends, in a data worker unless told otherwise."""
    modules = ("numpy",) if rest.pop("data", False) else ()
    fields = {key: rest.pop(key) for key in ("timeout", "replay") if key in rest}
    request = ask(do, "spends", modules=modules, checksum="spends", config=rest, **fields)
    request.job = replace(request.job, budget=Budget(cpu_ms, mem_mb))
    return request


def said(outcome: Outcome) -> str:
    """Give why a run was over budget, which it must have been."""
    assert outcome.status is RunStatus.OVER_BUDGET, (outcome, outcome.log)
    assert outcome.reason is not None
    assert outcome.failure is not None
    assert not outcome.outputs
    assert outcome.failure.type == "BudgetExceeded"
    return f"{outcome.reason.code}: {outcome.reason.detail}"


def done(outcome: Outcome) -> Any:
    """Give what a run that succeeded had done."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return msgspec.msgpack.decode(outcome.outputs["done"])


# --- processor time -----------------------------------------------------------------------------


async def test_a_loop_is_stopped_at_twice_its_processor_time(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(spend(ask, "burn", ms=60_000, cpu_ms=50))
    assert said(outcome).startswith("cpu: used ")
    assert "the limit is 100 ms, 2 times its budget of 50 ms" in said(outcome)
    assert outcome.usage.cpu_ms is not None
    assert 100 < outcome.usage.cpu_ms < 400  # far from its minute, however busy this machine is
    assert b"burn" in outcome.log  # where it stood


async def test_a_loop_that_ignores_sigterm_is_stopped_as_well(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(spend(ask, "burn", ms=60_000, deaf=True, cpu_ms=50))
    assert said(outcome).startswith("cpu: ")


async def test_the_kernel_stops_a_loop_when_nobody_looks(
    isolated: IsolatedWorker, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PERIOD", 60.0)
    outcome = await isolated.run(spend(ask, "burn", ms=60_000, cpu_ms=1))
    assert said(outcome).startswith("cpu: ")
    assert outcome.usage.cpu_ms is not None
    assert 1500 < outcome.usage.cpu_ms < 3000


async def test_between_budget_and_limit_a_run_succeeds(isolated: IsolatedWorker, ask: Ask) -> None:
    outcome = await isolated.run(spend(ask, "burn", ms=150, cpu_ms=100))
    assert done(outcome) >= 150
    assert outcome.usage.cpu_ms is not None
    assert outcome.usage.cpu_ms > 100


async def test_a_timeout_comes_first_when_it_is_first(isolated: IsolatedWorker, ask: Ask) -> None:
    outcome = await isolated.run(spend(ask, "burn", ms=60_000, cpu_ms=50_000, timeout=0.2))
    assert outcome.status is RunStatus.TIMED_OUT


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["hold", "hold_objects", "hold_arrays", "hold_shared", "hold_file"])
async def test_a_memory_bomb_is_stopped(isolated: IsolatedWorker, ask: Ask, do: str) -> None:
    outcome = await isolated.run(spend(ask, do, mb=250, data=True, mem_mb=80))
    assert "the limit is 80 MB, its budget 80 MB" in said(outcome)
    assert said(outcome).startswith("memory: wanted memory beyond 88 MB, its peak was ")
    assert outcome.usage.mem_mb is not None
    assert outcome.usage.mem_mb < 250


@pytest.mark.parametrize("do", ["hold_objects", "hold_arrays"])
async def test_a_bomb_that_grows_is_stopped_at_8_mb_over_its_budget(
    isolated: IsolatedWorker, ask: Ask, do: str
) -> None:
    outcome = await isolated.run(spend(ask, do, mb=400, data=True, mem_mb=80))
    said(outcome)
    assert outcome.usage.mem_mb is not None
    assert 80 < outcome.usage.mem_mb <= 92  # what is shared with the zygote may be read in besides


@pytest.mark.parametrize("do", ["swallow", "swallow_arrays"])
async def test_a_refusal_that_was_caught_ends_the_run(
    isolated: IsolatedWorker, ask: Ask, do: str
) -> None:
    assert "memory" in said(await isolated.run(spend(ask, do, mb=400, data=True)))


async def test_a_budget_under_the_floor_is_not_the_limit(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    outcome = await isolated.run(spend(ask, "hold", mb=40, data=True, mem_mb=8))
    assert done(outcome) == 40 * MIB
    assert outcome.usage.mem_mb is not None
    assert outcome.usage.mem_mb > 8
    light = await isolated.run(spend(ask, "hold", mb=40, mem_mb=8))
    assert "the limit is 16 MB, the least for such a process; its budget 8 MB" in said(light)


async def test_no_process_is_left_of_a_run_that_was_stopped(
    isolated: IsolatedWorker, ask: Ask
) -> None:
    before = set(psutil.Process().children(recursive=True))
    said(await isolated.run(spend(ask, "hold_shared", mb=400)))
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize("forks", [1, 2, 4])
async def test_a_process_that_left_its_group_goes_with_its_run(
    isolated: IsolatedWorker, ask: Ask, forks: int
) -> None:
    pid = done(await isolated.run(spend(ask, "daemon", forks=forks, mem_mb=64)))
    assert not psutil.pid_exists(pid)


async def test_what_another_run_has_started_lives_on(isolated: IsolatedWorker, ask: Ask) -> None:
    other = asyncio.ensure_future(isolated.run(spend(ask, "wait_for_daemon", seconds=0.5)))
    while not other.done():
        done(await isolated.run(spend(ask, "nothing")))
    assert done(await other) is True


# --- neither ------------------------------------------------------------------------------------


async def test_a_crash_is_a_crash(isolated: IsolatedWorker, ask: Ask) -> None:
    assert (await isolated.run(spend(ask, "crash"))).status is RunStatus.CRASHED


async def test_in_a_replay_nothing_is_limited(isolated: IsolatedWorker, ask: Ask) -> None:
    outcome = await isolated.run(spend(ask, "hold", mb=200, cpu_ms=0.01, mem_mb=1, replay=True))
    assert done(outcome) == 200 * MIB


async def test_the_kernel_holds_a_run_to_its_limits(isolated: IsolatedWorker, ask: Ask) -> None:
    outcome = await isolated.run(spend(ask, "limits", cpu_ms=1200, mem_mb=100))
    limits = done(outcome)
    assert limits["CPU"] == [4, 5]  # 2.4 s, rounded up, and a second
    assert limits["NOFILE"] == [OPEN_FILES, OPEN_FILES]
    assert limits["FSIZE"] == [FILE_BYTES, FILE_BYTES]
    assert limits["CORE"] == [0, 0]
    assert 108 * MIB < limits["DATA"][0] < limits["AS"][0] < 4096 * MIB


async def test_nothing_is_polled_while_nothing_runs(isolated: IsolatedWorker, ask: Ask) -> None:
    done(await isolated.run(spend(ask, "nothing")))
    assert isolated.watched == 0


# --- figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [False, True])
async def test_an_isolated_run_is_metered_closely(
    isolated: IsolatedWorker, ask: Ask, *, data: bool
) -> None:
    """How closely, in milliseconds, is a benchmark's to say: a busy machine is no finding."""
    outcome = await isolated.run(spend(ask, "burn", ms=200, data=data))
    assert outcome.usage.cpu_ms is not None
    assert outcome.usage.cpu_ms == pytest.approx(done(outcome), rel=0.2)


@pytest.mark.parametrize("data", [False, True])
async def test_peak_memory_is_metered_closely(
    isolated: IsolatedWorker, ask: Ask, *, data: bool
) -> None:
    outcome = await isolated.run(spend(ask, "hold", mb=40, data=data, mem_mb=100))
    done(outcome)
    assert outcome.usage.mem_mb is not None
    assert abs(outcome.usage.mem_mb - 40) <= 2
