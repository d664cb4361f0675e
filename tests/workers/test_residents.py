"""Residents: one process for each plugin from start to stop, and what goes on in it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio

from optifire.core.budget import Budget, Measured
from optifire.core.errors import ContractError
from optifire.core.ports import Event, Outcome, RunRequest
from optifire.core.run import RunStatus
from optifire.core.types import PluginId
from optifire.workers import resident, watching
from optifire.workers.residents import ResidentWorker, blind
from optifire.workers.tending import Tending
from optifire.workers.wire import encode_value
from tests.workers.conftest import DUE
from trial_until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from optifire.workers.isolated import IsolatedWorker
    from tests.workers.conftest import Ask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

STAYS = PluginId("stays")
ALL_HOOKS = ("initialize", "start", "stop", "cleanup", "handle_event")


class Told:
    """Keeps what a worker reports of its plugins."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, plugin_id: str, what: str) -> None:
        self.all.append(f"{plugin_id}: {what}")
        self._news.set()

    async def said(self, part: str) -> str:
        """Wait until something was reported that holds these words."""
        while not (found := [each for each in self.all if part in each]):
            self._news.clear()
            await self._news.wait()
        return found[0]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest_asyncio.fixture(loop_scope="session")
async def worker(isolated: IsolatedWorker, told: Told) -> AsyncIterator[ResidentWorker]:
    made = ResidentWorker(isolated, lambda: DUE, blind, told)
    yield made
    await made.stop()


@pytest.fixture
def want(ask: Ask) -> Ask:
    """Ask for a run of the plugin that lives on."""

    def make(do: str = "tell", **changes: Any) -> RunRequest:
        fields = {key: changes.pop(key) for key in ("timeout", "commit") if key in changes}
        about = {"hooks": changes.pop("hooks", ALL_HOOKS), "config_hash": changes.pop("hash", "")}
        budget = Budget(changes.pop("cpu_ms", 5000), changes.pop("mem_mb", 64))
        request = ask(do, "stays", config=changes, **fields)
        request.job = replace(request.job, budget=budget, **about)
        return request

    return make


def plain(outcome: Outcome) -> dict[str, Any]:
    """Give the outputs of a run, which must have succeeded."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


def called(home: Path) -> list[str]:
    """Give the last hooks that were called so far, and forget them."""
    file = home / "data" / "plugins" / "stays" / "called"
    lines = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# --- from start to stop -------------------------------------------------------------------------


async def test_an_instance_lives_from_its_first_hooks_to_its_last_ones(
    worker: ResidentWorker, want: Ask, home: Path
) -> None:
    called(home)
    first = plain(await worker.run(want()))
    again = plain(await worker.run(want()))
    assert first == again
    assert first["called"] == ["initialize", "start"]
    await worker.stop()
    assert called(home) == ["stop", "cleanup"]
    assert is_gone(first["pid"])


@pytest.mark.parametrize("changed", [{"hash": "other"}, {"mem_mb": 65}])
async def test_what_the_operator_changes_takes_a_new_process(
    worker: ResidentWorker, want: Ask, home: Path, changed: dict[str, Any]
) -> None:
    called(home)
    first = plain(await worker.run(want()))
    after = plain(await worker.run(want(**changed)))
    assert after["pid"] != first["pid"]
    assert called(home) == ["stop", "cleanup"]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("raises", "RuntimeError: no connection"),
        ("refuses", "HookRefused: start() gave False"),
        ("writes", "no run is in progress: nothing can be written or published now"),
    ],
)
async def test_a_plugin_whose_start_fails_does_not_run_and_the_record_says_why(
    worker: ResidentWorker, want: Ask, how: str, why: str
) -> None:
    outcome = await worker.run(want(start=how))
    assert outcome.status is RunStatus.FAILED
    assert str(outcome.reason).startswith("hook")
    assert why in str(outcome.reason)
    assert not worker.standing
    trouble = worker.troubles[STAYS]
    assert why in f"{trouble.type}: {trouble.message}"
    assert plain(await worker.run(want()))["called"] == ["initialize", "start"]
    assert not worker.troubles


async def test_a_start_that_takes_too_long_is_ended(
    worker: ResidentWorker, want: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "START_TIMEOUT", 0.2)
    outcome = await worker.run(want(start="hangs"))
    assert "took too long while it was starting" in str(outcome.reason)


async def test_a_hook_can_read_what_a_run_would_see(worker: ResidentWorker, want: Ask) -> None:
    plain(await worker.run(want(start="reads")))


async def test_plugins_stand_for_as_long_as_they_are_wanted(
    worker: ResidentWorker, want: Ask, home: Path, told: Told
) -> None:
    called(home)
    job = want().job
    tending = Tending(worker, told)
    going = asyncio.create_task(tending.run())
    tending.keep({job.plugin_id: job})
    await until(lambda: bool(worker.standing))
    pid = worker.pids()[0]
    tending.keep({})
    await until(lambda: not worker.standing)
    await until(lambda: is_gone(pid))
    assert called(home) == ["stop", "cleanup"]
    going.cancel()


async def test_one_that_dies_without_a_run_is_started_again_and_that_is_told(
    worker: ResidentWorker, want: Ask, told: Told
) -> None:
    job = want().job
    tending = Tending(worker, told)
    going = asyncio.create_task(tending.run())
    tending.keep({job.plugin_id: job})
    await until(lambda: bool(worker.pids()))
    pid = worker.pids()[0]
    os.kill(pid, 9)
    assert "ended while no run was in progress" in await told.said("ended")
    await until(lambda: bool(worker.pids()) and worker.pids() != [pid])
    going.cancel()


async def test_one_that_cannot_be_started_is_tried_again_ever_later(
    worker: ResidentWorker, want: Ask, told: Told
) -> None:
    job = want(start="raises").job
    tending = Tending(worker, told)
    going = asyncio.create_task(tending.run())
    tending.keep({job.plugin_id: job})
    await told.said("next try in 1 s: RuntimeError: no connection")
    await told.said("next try in 2 s: RuntimeError: no connection")
    going.cancel()


# --- runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("do", ["die", "wait"])
async def test_a_run_that_ends_its_process_ends_alone(
    worker: ResidentWorker, want: Ask, do: str
) -> None:
    before = plain(await worker.run(want()))
    outcome = await worker.run(want(do, timeout=0.2 if do == "wait" else 20.0))
    assert outcome.status is (RunStatus.CRASHED if do == "die" else RunStatus.TIMED_OUT)
    after = plain(await worker.run(want()))
    assert after["pid"] != before["pid"]


async def test_cancelling_a_run_ends_its_process(worker: ResidentWorker, want: Ask) -> None:
    pid = plain(await worker.run(want()))["pid"]
    going = asyncio.create_task(worker.run(want("wait")))
    await until(lambda: worker.standing[STAYS].busy)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert is_gone(pid)
    plain(await worker.run(want()))


async def test_figures_are_those_of_each_run(worker: ResidentWorker, want: Ask) -> None:
    held = plain(await worker.run(want("hold", mb=5)))
    large = await worker.run(want("touch", mb=20))
    small = await worker.run(want("tell"))
    assert plain(large)["pid"] == plain(small)["pid"] == held["pid"]
    assert large.usage.measured is Measured.EXACT
    assert large.usage.mem_mb == pytest.approx(25, abs=4)
    assert small.usage.mem_mb == pytest.approx(5, abs=4)
    assert small.usage.cpu_ms is not None
    assert small.usage.cpu_ms < 20


@pytest.mark.parametrize("do", ["burn", "burn_in_child"])
async def test_a_loop_is_stopped_at_twice_its_processor_time(
    worker: ResidentWorker, want: Ask, do: str
) -> None:
    for _ in range(3):  # what earlier runs had does not count
        plain(await worker.run(want(do, ms=150, cpu_ms=100)))
    outcome = await worker.run(want(do, ms=60_000, cpu_ms=100))
    assert outcome.status is RunStatus.OVER_BUDGET
    assert "the limit is 200 ms, 2 times its budget of 100 ms" in str(outcome.reason)


async def test_what_processes_of_an_earlier_run_used_is_not_in_the_next_record(
    worker: ResidentWorker, want: Ask
) -> None:
    plain(await worker.run(want("burn_in_child", ms=300)))
    outcome = await worker.run(want("die"))
    assert outcome.status is RunStatus.CRASHED
    assert outcome.usage.cpu_ms is not None
    assert outcome.usage.cpu_ms < 150


async def test_memory_over_the_limit_is_refused_and_ends_the_process(
    worker: ResidentWorker, want: Ask
) -> None:
    pid = plain(await worker.run(want()))["pid"]
    outcome = await worker.run(want("hold", mb=200))
    assert outcome.status is RunStatus.OVER_BUDGET
    assert "the limit is 64 MB" in str(outcome.reason)
    assert plain(await worker.run(want()))["pid"] != pid


async def test_a_process_that_has_grown_is_replaced_before_it_is_over_its_limit(
    worker: ResidentWorker, want: Ask, told: Told, home: Path
) -> None:
    called(home)
    outcomes = [await worker.run(want("hold", mb=10)) for _ in range(12)]
    assert len({plain(each)["pid"] for each in outcomes}) == 3  # 5 x 10 MB is more than 3/4 of 64
    assert "is started anew: it holds 5" in told.all[0]
    assert called(home) == ["stop", "cleanup"] * 2


async def test_what_burns_between_runs_is_stopped(
    worker: ResidentWorker, want: Ask, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "REST_PERIOD", 0.01)
    plain(await worker.run(want("burn_later", cpu_ms=50)))
    assert "went over its cpu limit while no run" in await told.said("went over")


# --- events -------------------------------------------------------------------------------------


async def test_events_are_told_and_make_no_run(
    worker: ResidentWorker, want: Ask, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    job = want().job
    caplog.set_level("INFO", "optifire.residents")
    for data in (1, "fail", "write", {"n": 2}):
        await worker.tell(job, Event("shout", encode_value(data), "other"), DUE)
    assert caplog.messages == [
        "handle_event('shout') printed: heard 1",
        "handle_event('shout') printed: heard {'n': 2}",
    ]
    assert plain(await worker.run(want()))["heard"] == [["shout", 1], ["shout", {"n": 2}]]
    assert "ValueError: what was that?" in told.all[0]
    assert "no run is in progress: nothing can be written or published" in told.all[1]


# --- streams ------------------------------------------------------------------------------------


async def test_a_stream_commits_what_it_has_made_so_far(worker: ResidentWorker, want: Ask) -> None:
    parts: list[Outcome] = []

    async def commit(part: Outcome) -> None:
        parts.append(part)

    outcome = await worker.run(want("stream", parts=3, commit=commit))
    assert [msgspec.msgpack.decode(part.writes["n"]) for part in parts] == [0, 1, 2]
    assert [len(part.statements) for part in parts] == [1, 1, 1]
    assert [event.name for part in parts for event in part.events] == ["part"] * 3
    assert [event.name for event in outcome.events] == ["rest"]
    assert [part.log for part in parts] == [b"part 0", b"part 1", b"part 2"]
    assert outcome.log == b""
    assert not outcome.writes
    assert not outcome.statements


async def test_a_part_that_is_not_written_is_an_error_in_the_stream(
    worker: ResidentWorker, want: Ask
) -> None:
    async def commit(_: Outcome) -> None:
        raise ContractError("no such table: p_stays_t", where="INSERT INTO p_stays_t")

    outcome = await worker.run(want("stream", parts=3, commit=commit))
    assert outcome.status is RunStatus.FAILED
    assert "no such table: p_stays_t" in str(outcome.reason)


async def test_only_a_stream_may_commit(worker: ResidentWorker, want: Ask) -> None:
    outcome = await worker.run(want("stream", parts=1))
    assert outcome.status is RunStatus.FAILED
    assert "commit() is for streams" in str(outcome.reason)
