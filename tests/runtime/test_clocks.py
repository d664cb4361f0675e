"""Clocks: the wall with its timer, virtual time, and the demo's pace."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.runtime.clock import HEARTBEAT, PacedClock, SystemClock, VirtualClock, wall_now
from optifire.runtime.timer import ApsTimer, ArmedTrigger

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
instants = st.integers(0, 86400).map(lambda seconds: NOON + seconds * SECOND)


# --- the wall clock ---------------------------------------------------------------------------


async def test_the_wall_clock_waits_until_the_instant(kit: Any) -> None:
    timer = kit.FakeTimer(NOON)
    clock = SystemClock(timer)
    waiting = asyncio.create_task(clock.wait(NOON + 3 * SECOND))
    await timer.advance(NOON + 2 * SECOND)
    assert not waiting.done()
    await timer.advance(NOON + 4 * SECOND)
    assert await waiting == NOON + 3 * SECOND


async def test_an_instant_that_has_passed_is_not_waited_for(kit: Any) -> None:
    assert await SystemClock(kit.FakeTimer(NOON)).wait(NOON - SECOND) == NOON


async def test_the_heartbeat_is_passed_over(kit: Any) -> None:
    timer = kit.FakeTimer(NOON)
    clock = SystemClock(timer)
    waiting = asyncio.create_task(clock.wait(NOON + SECOND))
    await timer.settle()
    timer.ring()
    await timer.settle()
    assert not waiting.done()
    await timer.advance(NOON + SECOND)
    assert waiting.done()


@pytest.mark.parametrize("until", [None, NOON + SECOND])
@pytest.mark.parametrize("before", [True, False])
async def test_waking_ends_one_wait_early_even_if_it_comes_before(
    kit: Any, *, until: datetime | None, before: bool
) -> None:
    timer = kit.FakeTimer(NOON)
    clock = SystemClock(timer)
    if before:
        clock.wake()
    waiting = asyncio.create_task(clock.wait(until))
    await timer.settle()
    clock.wake() if not before else None
    assert await waiting == NOON
    following = asyncio.create_task(clock.wait(None))
    await timer.settle()
    assert not following.done()
    following.cancel()


async def test_a_pause_lets_that_much_time_pass_and_stopping_ends_the_timer(kit: Any) -> None:
    timer = kit.FakeTimer(NOON)
    clock = SystemClock(timer)
    pausing = asyncio.create_task(clock.pause(2))
    await timer.advance(NOON + SECOND)
    assert not pausing.done()
    await timer.advance(NOON + 2 * SECOND)
    await pausing
    clock.stop()
    assert timer.stopped
    assert not clock.timeless


# --- APScheduler as the timer -----------------------------------------------------------------


@given(st.none() | instants, st.none() | instants, instants)
def test_an_armed_trigger_always_names_a_later_instant_at_most_a_heartbeat_away(
    armed: datetime | None, previous: datetime | None, now: datetime
) -> None:
    found = ArmedTrigger(lambda: armed).get_next_fire_time(previous, now)
    assert now < found <= now + HEARTBEAT


@pytest.mark.parametrize(
    ("armed", "previous", "expected"),
    [
        (None, None, NOON + HEARTBEAT),
        (NOON + SECOND, None, NOON + SECOND),
        (NOON + 60 * SECOND, None, NOON + HEARTBEAT),
        (NOON - SECOND, None, NOON + timedelta(microseconds=1)),
        (NOON - SECOND, NOON - SECOND, NOON + HEARTBEAT),
        (NOON, NOON - SECOND, NOON + timedelta(microseconds=1)),
    ],
    ids=["nothing", "soon", "far", "passed", "rung already", "armed anew"],
)
def test_an_armed_trigger_rings_once_for_an_instant(
    armed: datetime | None, previous: datetime | None, expected: datetime
) -> None:
    assert ArmedTrigger(lambda: armed).get_next_fire_time(previous, NOON) == expected


async def test_the_real_timer_rings_at_the_instant_and_not_before() -> None:
    timer = ApsTimer()
    clock = SystemClock(timer)
    try:
        until = wall_now() + timedelta(milliseconds=30)
        async with asyncio.timeout(20):
            assert await clock.wait(until) >= until
            assert await clock.wait(until) >= until
            later = wall_now() + timedelta(milliseconds=10)
            assert await clock.wait(later) >= later
            await clock.pause(0)
    finally:
        clock.stop()


async def test_a_rung_instant_of_the_real_timer_does_not_ring_again(kit: Any) -> None:
    timer = ApsTimer()
    rung: list[datetime] = []
    first = asyncio.Event()

    def ring() -> None:
        rung.append(timer.now())
        first.set()

    timer.start(ring)
    try:
        timer.arm(timer.now())
        async with asyncio.timeout(20):
            await first.wait()
        await kit.let_others_run(500)
        assert len(rung) == 1
    finally:
        timer.stop()


# --- virtual time -----------------------------------------------------------------------------


async def test_virtual_time_jumps_forward_only() -> None:
    clock = VirtualClock(NOON)
    assert clock.timeless
    assert await clock.wait(NOON + SECOND) == clock.now() == NOON + SECOND
    assert await clock.wait(NOON) == NOON + SECOND
    clock.wake()
    assert await clock.wait(None) == NOON + SECOND
    await clock.pause(3600)
    assert clock.now() == NOON + SECOND


# --- the demo ---------------------------------------------------------------------------------


class RealTime:
    """Real seconds in the hands of a test."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def pass_by(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.seconds += seconds


async def never(seconds: float) -> None:
    await asyncio.Event().wait()


async def test_the_demo_jumps_once_its_pace_allows() -> None:
    real = RealTime()
    clock = PacedClock(NOON, 0.5, elapsed=real, let_pass=real.pass_by)
    assert await clock.wait(NOON + 60 * SECOND) == NOON + 60 * SECOND
    assert real.asked == [0.5]
    real.seconds += 0.2
    assert clock.now() == NOON + 60.2 * SECOND
    await clock.wait(NOON + 120 * SECOND)
    assert real.asked == [0.5, pytest.approx(0.3)]


async def test_the_demo_never_goes_back_and_does_not_wait_for_what_took_longer_than_the_pace() -> (
    None
):
    real = RealTime()
    clock = PacedClock(NOON, 0.5, elapsed=real, let_pass=real.pass_by)
    real.seconds = 90
    assert await clock.wait(NOON + 60 * SECOND) == NOON + 90 * SECOND
    assert real.asked == []
    await clock.wait(NOON + 120 * SECOND)
    assert real.asked == [0.5]


@pytest.mark.parametrize("until", [None, NOON + SECOND])
@pytest.mark.parametrize("before", [True, False])
async def test_waking_the_demo_is_never_lost(
    kit: Any, *, until: datetime | None, before: bool
) -> None:
    clock = PacedClock(NOON, 0.5, elapsed=lambda: 0.0, let_pass=never)
    if before:
        clock.wake()
    waiting = asyncio.create_task(clock.wait(until))
    await kit.let_others_run(5)
    if not before:
        clock.wake()
    async with asyncio.timeout(20):
        assert await waiting == NOON


async def test_without_an_instant_the_demo_waits_for_as_long_as_it_takes(kit: Any) -> None:
    real = RealTime()
    clock = PacedClock(NOON, 0.5, elapsed=real, let_pass=real.pass_by)
    waiting = asyncio.create_task(clock.wait(None))
    await kit.let_others_run(50)
    assert not waiting.done()
    assert real.asked == []
    waiting.cancel()


async def test_a_pause_of_the_demo_is_real_time() -> None:
    real = RealTime()
    clock = PacedClock(NOON, 0.5, elapsed=real, let_pass=real.pass_by)
    await clock.pause(7)
    assert real.asked == [7]
    assert not clock.timeless
