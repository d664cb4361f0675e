"""A zygote that dies: its runs are crashes, no other fails, nothing is left, the next stands."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
import pytest_asyncio

from optifire.core.errors import OptifireError, TransientError
from optifire.core.run import RunStatus
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.keeping import Keeper
from trial_until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from optifire.core.ports import Outcome
    from optifire.workers.link import Link
    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: A process that has left group and parent of the run that started it, and says its number.
FLEE = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
with open(sys.argv[1] + ".part", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(1000)
"""


@pytest_asyncio.fixture(loop_scope="session")
async def worker(tmp_path: Path) -> AsyncIterator[IsolatedWorker]:
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data", warm=()))
    await worker.start()
    yield worker
    await worker.stop()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def plain(outcome: Outcome) -> dict[str, Any]:
    """Give the outputs of a run, which must have succeeded."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


async def test_every_run_of_a_killed_zygote_is_a_crash_that_names_it_and_no_other_is(
    worker: IsolatedWorker, tmp_path: Path, ask: Ask
) -> None:
    (light,) = worker.zygote_pids()
    await worker.warm()
    told = [tmp_path / str(number) for number in range(4)]
    runs = [
        asyncio.ensure_future(
            worker.run(
                ask(
                    "tell_and_wait",
                    config={"where": str(where), "go": str(tmp_path / "go")},
                    modules=("pandas",) if where is told[3] else (),
                )
            )
        )
        for where in told
    ]
    await until(lambda: all(where.exists() for where in told))
    kill(light)
    outcomes = await asyncio.gather(*runs[:3])
    for outcome in outcomes:
        assert outcome.status is RunStatus.CRASHED
        assert outcome.reason is not None
        assert outcome.reason.code == "zygote"
        assert f"the light zygote (process {light}) was killed by SIGKILL" in outcome.reason.detail
    (tmp_path / "go").touch()
    assert plain(await runs[3]) == {"answer": 1}
    assert plain(await worker.run(ask("count"))) == {"calls": 1}
    assert not [where for where in told[:3] if psutil.pid_exists(int(where.read_text()))]


async def test_a_run_that_comes_to_a_zygote_that_has_just_died_is_made_by_the_next(
    worker: IsolatedWorker, ask: Ask
) -> None:
    for _ in range(3):  # from the second death in a row on, there is a pause before the next start
        kill(worker.zygote_pids()[0])
        assert plain(await worker.run(ask("count"))) == {"calls": 1}


async def test_the_next_zygote_stands_before_anybody_asks(worker: IsolatedWorker) -> None:
    (first,) = worker.zygote_pids()
    kill(first)
    await until(lambda: worker.zygote_pids() not in ([], [first]))
    await until(lambda: worker.zygotes.troubles() == ([], []))


async def test_who_fled_from_a_run_does_not_outlive_its_zygote(
    worker: IsolatedWorker, tmp_path: Path, ask: Ask
) -> None:
    told = tmp_path / "fled"
    config = {"command": [sys.executable, "-c", FLEE, str(told)]}
    run = asyncio.ensure_future(worker.run(ask("start_and_loop", config=config)))
    await until(told.exists)
    fled = int(told.read_text())
    assert psutil.pid_exists(fled)
    kill(worker.zygote_pids()[0])
    assert (await run).status is RunStatus.CRASHED
    assert not psutil.pid_exists(fled)


async def test_a_process_of_the_service_itself_is_nobodys_stray(worker: IsolatedWorker) -> None:
    own = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    (first,) = worker.zygote_pids()
    kill(first)
    await until(lambda: worker.zygote_pids() not in ([], [first]))
    assert own.returncode is None
    await own.communicate(b"\n")
    assert own.returncode == 0


async def test_a_zygote_that_cannot_be_started_again_is_trouble_until_it_can(
    worker: IsolatedWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", str(tmp_path / "no-python"))
        kill(worker.zygote_pids()[0])
        await until(
            lambda: any("cannot be started" in each for each in worker.zygotes.troubles()[0])
        )
        outcome = await worker.run(ask("count"))
        assert outcome.status is RunStatus.FAILED
        assert outcome.reason is not None
        assert outcome.reason.code == "not started"
    await until(lambda: worker.zygotes.troubles() == ([], []))
    assert plain(await worker.run(ask("count"))) == {"calls": 1}


class Failing:
    """Starts nothing, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def start(self, modules: tuple[str, ...]) -> Link:
        self.asked.append(modules)
        raise OptifireError("no room", where="here")


async def test_starts_that_fail_are_further_and_further_apart() -> None:
    failing, now = Failing(), [0.0]
    keeper = Keeper("data", ("base",), failing.start, now=lambda: now[0])
    tries: list[float] = []
    while now[0] < 200.0:
        with pytest.raises(OptifireError, match="no room"):
            await keeper.get(("wanted",))
        if len(failing.asked) > len(tries):
            tries.append(now[0])
        now[0] += 0.25
    assert tries == [0.0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 31.75, 63.75, 123.75, 183.75]


async def test_what_one_set_of_modules_does_is_not_held_against_another() -> None:
    failing = Failing()
    keeper = Keeper("data", ("base",), failing.start)
    for _ in range(3):
        with pytest.raises(OptifireError):
            await keeper.get(("bad",))
    with pytest.raises(TransientError, match="no room"):
        await keeper.get(("bad", "more"))
    assert len(failing.asked) == 2
    with pytest.raises(OptifireError):
        await keeper.get(("good",))
    assert failing.asked[-1] == ("base", "good")
