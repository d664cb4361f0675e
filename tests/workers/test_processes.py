"""Workers with processes of their own: what a process may do, and what is left of it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
import pytest_asyncio

from optifire.core.run import RunStatus
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.pooled import PooledWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from optifire.core.ports import Outcome, Worker
    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def working(kind: str, home: Path) -> AsyncIterator[Worker]:
    settings = WorkerSettings(home, home / "data")
    made: Worker = InlineWorker(home / "data")
    if kind != "inline":
        made = IsolatedWorker(settings) if kind == "isolated" else PooledWorker(settings, size=3)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["isolated", "pooled"])
async def apart(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Worker]:
    async with working(request.param, tmp_path_factory.mktemp("home")) as made:
        yield made


def descriptors() -> int:
    """Count the open descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def plain(outcome: Outcome) -> dict[str, Any]:
    """Give the outputs of a run, which must have succeeded."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


async def test_random_numbers_are_the_same_in_every_worker(tmp_path: Path, ask: Ask) -> None:
    drawn = []
    for kind in ("inline", "isolated", "pooled"):
        async with working(kind, tmp_path) as made:
            drawn += [plain(await made.run(ask("draw_own")))]
    assert drawn[0] == drawn[1] == drawn[2]


async def test_shared_generators_are_seeded_in_every_process(apart: Worker, ask: Ask) -> None:
    first = plain(await apart.run(ask("draw")))
    assert plain(await apart.run(ask("draw"))) == first


@pytest.mark.parametrize(
    ("do", "code", "detail"),
    [
        ("exit_hard", "exit", "code 3"),
        ("exit_zero", "exit", "code 0"),
        ("segfault", "signal", "SIGSEGV"),
        ("write_garbage", "garbage", "no answer"),
        ("claim_gigabyte", "garbage", "1,073,741,824 bytes"),
        ("close_everything", "exit", "code 70"),
    ],
)
async def test_a_process_that_dies_is_a_crash_with_its_reason(
    apart: Worker, do: str, code: str, detail: str, ask: Ask
) -> None:
    outcome = await apart.run(ask(do))
    assert outcome.status is RunStatus.CRASHED
    assert outcome.reason is not None
    assert (outcome.reason.code, detail in outcome.reason.detail) == (code, True), outcome.reason
    assert plain(await apart.run(ask("count"))) == {"calls": 1}


async def test_what_a_dying_process_printed_is_kept(apart: Worker, ask: Ask) -> None:
    assert (await apart.run(ask("exit_hard"))).log == b"about to go\n"
    assert b"Segmentation fault" in (await apart.run(ask("segfault"))).log


async def test_output_below_python_is_kept(apart: Worker, ask: Ask) -> None:
    assert (await apart.run(ask("speak_below"))).log == b"below python\n"


async def test_an_endless_loop_is_stopped_and_shows_where_it_was(apart: Worker, ask: Ask) -> None:
    outcome = await apart.run(ask("loop_for_ever", timeout=0.2))
    assert outcome.status is RunStatus.TIMED_OUT
    assert b"in loop_for_ever" in outcome.log


@pytest.mark.parametrize("do", ["loop_deaf", "leave_process"])
async def test_the_whole_group_goes_with_its_process(
    apart: Worker, do: str, tmp_path: Path, ask: Ask
) -> None:
    told = tmp_path / "pid"
    outcome = await apart.run(ask(do, timeout=1.0, config={"where": str(told)}))
    expected = RunStatus.TIMED_OUT if do == "loop_deaf" else RunStatus.SUCCEEDED
    assert outcome.status is expected
    if apart.name == "pooled" and do == "leave_process":
        await apart.stop()
        await apart.start()
    assert not psutil.pid_exists(int(told.read_text()))


@pytest.mark.parametrize("do", ["leave_task", "leave_thread"])
async def test_tasks_and_threads_left_behind_do_not_hold_a_run(
    apart: Worker, do: str, ask: Ask
) -> None:
    assert plain(await apart.run(ask(do))) == {"answer": 1}


async def test_a_child_has_a_clean_environment_and_only_its_own_descriptors(
    apart: Worker, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setenv("OPTIFIRE_SECRETS_KEY", "very secret")
    outputs = plain(await apart.run(ask("process")))
    assert outputs["pid"] != os.getpid()
    assert outputs["group"] == outputs["pid"]
    assert "OPTIFIRE_SECRETS_KEY" not in outputs["environment"]
    assert "OPENBLAS_NUM_THREADS" in outputs["environment"]
    # 0 to 2, the run's socket, and the folder being listed; no other run's.
    assert len(outputs["files"]) == 5
    assert outputs["modules"] == []


async def test_cancelling_kills_the_process(apart: Worker, tmp_path: Path, ask: Ask) -> None:
    told = tmp_path / "pid"
    task = asyncio.ensure_future(apart.run(ask("tell_and_loop", config={"where": str(told)})))
    while not told.exists():
        done, _ = await asyncio.wait([task], timeout=0.01)
        assert not done, task.result()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(int(told.read_text()))


@pytest.mark.parametrize("kind", ["isolated", "pooled"])
async def test_nothing_is_left_after_stop(kind: str, tmp_path: Path, ask: Ask) -> None:
    before = descriptors()
    children = set(psutil.Process().children(recursive=True))
    async with working(kind, tmp_path) as made:
        await made.run(ask("succeed"))
        await made.run(ask("exit_hard"))
    assert set(psutil.Process().children(recursive=True)) <= children
    assert descriptors() == before


async def test_stopping_ends_runs_in_progress(tmp_path: Path, ask: Ask) -> None:
    made = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data"))
    await made.start()
    run = asyncio.ensure_future(made.run(ask("loop_for_ever")))
    await asyncio.wait([run], timeout=0.1)
    await made.stop()
    assert (await run).status is RunStatus.CRASHED


async def test_a_zygote_that_dies_takes_its_runs_along_and_is_replaced(
    tmp_path: Path, ask: Ask
) -> None:
    async with working("isolated", tmp_path) as made:
        run = asyncio.ensure_future(made.run(ask("loop_for_ever")))
        zygote = _zygote_of(made)
        while not zygote.children():
            await asyncio.wait([run], timeout=0.01)
        zygote.send_signal(signal.SIGKILL)
        outcome = await run
        assert outcome.status is RunStatus.CRASHED
        assert outcome.reason is not None
        assert outcome.reason.code == "zygote"
        assert plain(await made.run(ask("count"))) == {"calls": 1}


def _zygote_of(worker: Worker) -> psutil.Process:
    assert isinstance(worker, IsolatedWorker)
    (pid,) = worker.zygote_pids()
    return psutil.Process(pid)


async def test_siblings_of_two_plugins_do_not_meet(apart: Worker, ask: Ask) -> None:
    for _ in range(2):
        assert plain(await apart.run(ask("x", plugin="siblings"))) == {"a": 4, "b": 6}
        assert plain(await apart.run(ask("x", plugin="relative"))) == {"a": 40}
