"""Retries, the runner, the supervisor and the bus."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ContractError, NoData, NotInReplay, ReplayError, TransientError
from optifire.core.job import Effect, Placement
from optifire.core.ledger import Batch, new_run
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.runtime.blackboard import CycleView, RunView
from optifire.runtime.bus import CommitBus
from optifire.runtime.clock import VirtualClock
from optifire.runtime.retry import (
    BASE_SECONDS,
    CAP_SECONDS,
    backoff_seconds,
    draw,
    jitter_seconds,
)
from optifire.runtime.runner import Runner, failed
from optifire.runtime.supervisor import Supervisor

# --- retries ----------------------------------------------------------------------------------


@given(st.text(), st.integers(1, 10_000))
def test_a_pause_lies_between_zero_and_twice_the_one_before_up_to_the_cap(
    key: str, attempt: int
) -> None:
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt - 1, 30))
    assert 0 <= backoff_seconds(key, attempt) < ceiling


def test_a_pause_follows_from_the_key_and_the_attempt_alone() -> None:
    assert backoff_seconds("a@1", 1) == backoff_seconds("a@1", 1)
    assert len({backoff_seconds(key, n) for key in ("a@1", "a@2") for n in (1, 2)}) == 4


def test_the_jitter_is_full() -> None:
    drawn = [draw(f"a@{n}", 1) for n in range(2000)]
    assert min(drawn) < 0.01
    assert max(drawn) > 0.99
    assert 0.48 < sum(drawn) / len(drawn) < 0.52


def test_a_start_without_jitter_is_not_delayed() -> None:
    assert jitter_seconds("a@1", 0.0) == 0.0
    assert 0 <= jitter_seconds("a@1", 5.0) < 5.0


# --- the runner -------------------------------------------------------------------------------


class Worker:
    name = "worker"

    def __init__(self, answer: Outcome | BaseException) -> None:
        self.answer = answer

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def run(self, request: RunRequest) -> Outcome:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def attempt(
    world: Any, kit: Any, answer: Outcome | BaseException, *, replay: bool = False, **fields: Any
) -> Outcome:
    job = world.job("a", **fields)
    key = RunKey(job.plugin_id, kit.noon)
    view = RunView(CycleView({}, None), job.plugin_id)
    request = RunRequest(key, key.run_id, 1, job, kit.noon, 7.5, {}, view, replay=replay)
    runner = Runner({Placement.ISOLATED: Worker(answer)}, VirtualClock(kit.noon))
    return await runner.attempt(request)


async def test_a_worker_that_breaks_is_a_failed_attempt(world: Any, kit: Any) -> None:
    outcome = await attempt(world, kit, OSError("gone"))
    assert (outcome.status, str(outcome.reason)) == (RunStatus.FAILED, "error: OSError")


async def test_a_placement_without_a_worker_fails_by_name(world: Any, kit: Any) -> None:
    outcome = await attempt(world, kit, Outcome(RunStatus.SUCCEEDED), placement=Placement.RESIDENT)
    assert outcome.status is RunStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.message == "a: no resident worker here"


@pytest.mark.parametrize(
    ("effect", "expected"),
    [(Effect.PURE, RunStatus.TIMED_OUT), (Effect.EFFECTFUL, RunStatus.UNKNOWN)],
)
async def test_nobody_can_say_how_a_timed_out_effect_ended(
    world: Any, kit: Any, effect: Effect, expected: RunStatus
) -> None:
    outcome = await attempt(world, kit, Outcome(RunStatus.TIMED_OUT), effect=effect)
    assert outcome.status is expected


async def test_the_safety_limit_stops_a_replay_naming_the_run(world: Any, kit: Any) -> None:
    with pytest.raises(ReplayError, match=r"a@20181123T120000Z: run took longer than 7\.5 s"):
        await attempt(world, kit, Outcome(RunStatus.TIMED_OUT), replay=True)


@pytest.mark.parametrize(
    ("error", "status", "reason", "retryable"),
    [
        (NoData("ended"), RunStatus.SKIPPED, "no data: ended", None),
        (NotInReplay("the machine"), RunStatus.SKIPPED, "live only: the machine", None),
        (ContractError("wrong"), RunStatus.FAILED, "contract: ContractError", False),
        (TransientError("later"), RunStatus.FAILED, "error: TransientError", True),
        (ValueError("x"), RunStatus.FAILED, "error: ValueError", False),
    ],
)
def test_an_error_says_how_its_attempt_ended(
    error: Exception, status: RunStatus, reason: str, *, retryable: bool | None
) -> None:
    outcome = failed(error)
    assert (outcome.status, str(outcome.reason)) == (status, reason)
    assert (outcome.failure.retryable if outcome.failure else None) is retryable


# --- the supervisor ---------------------------------------------------------------------------


async def test_a_crash_is_reported_by_name_and_the_others_go_on() -> None:
    told: list[tuple[str, BaseException]] = []
    error, ended = ValueError("x"), asyncio.Event()

    async def crash() -> None:
        raise error

    async def end() -> None:
        ended.set()

    async with Supervisor(lambda name, what: told.append((name, what))) as supervisor:
        supervisor.cycle("bad", crash)
        supervisor.room("worse", crash)
        supervisor.cycle("good", end)
        assert await supervisor.drain(None) == 0
    assert sorted(told, key=lambda one: one[0]) == [("bad", error), ("worse", error)]
    assert ended.is_set()


async def test_draining_waits_for_cycles_and_cancels_those_that_do_not_end() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async with Supervisor(lambda *_: None) as supervisor:
        assert await supervisor.drain(0) == 0
        supervisor.cycle("one", never)
        supervisor.cycle("two", never)
        supervisor.room("room", never)
        assert await supervisor.drain(0) == 2


async def test_an_error_of_the_owner_ends_its_cycles(kit: Any) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def owner() -> None:
        async with Supervisor(lambda *_: None) as supervisor:
            supervisor.cycle("one", never)
            await kit.let_others_run()
            raise ValueError("x")

    async with asyncio.timeout(20):
        with pytest.raises(ValueError, match="x"):
            await owner()


# --- the bus ----------------------------------------------------------------------------------


def batch(kit: Any, status: RunStatus) -> Batch:
    return Batch(runs=[new_run(RunKey(PluginId("a"), kit.noon), status)])


async def test_who_waits_for_a_run_is_told_at_its_end_only(kit: Any) -> None:
    bus = CommitBus()
    ended, other = bus.ended("a@20181123T120000Z"), bus.ended("a@20181123T120000Z")
    given_up = bus.ended("a@20181123T120000Z")
    given_up.cancel()
    bus.tell(batch(kit, RunStatus.RUNNING))
    assert not ended.done()
    bus.tell(batch(kit, RunStatus.FAILED))
    assert (await ended).status is (await other).status is RunStatus.FAILED
    bus.tell(batch(kit, RunStatus.FAILED))


async def test_a_listener_that_fails_is_logged_and_the_others_hear(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bus = CommitBus()
    heard: list[Batch] = []

    def broken(_: Batch) -> None:
        raise ValueError("x")

    bus.listen(broken)
    with bus.listening(heard.append):
        bus.tell(batch(kit, RunStatus.RUNNING))
    bus.tell(batch(kit, RunStatus.FAILED))
    assert len(heard) == 1
    assert "a listener failed" in caplog.text
