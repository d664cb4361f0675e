"""Jumps of the wall clock and sleeps of the machine, told apart by clocks that nobody sets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from optifire.runtime.jumps import LEAST, Jump, JumpWatch

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass
class Clocks:
    """Three clocks in the hands of a test."""

    wall: datetime = NOON
    awake: float = 50.0
    passed: float = 70.0
    between: Callable[["Clocks"], None] | None = None

    def watch(self) -> JumpWatch:
        return JumpWatch(self.read_wall, lambda: self.awake, lambda: self.passed)

    def read_wall(self) -> datetime:
        now, happens, self.between = self.wall, self.between, None
        if happens is not None:
            happens(self)
        return now

    def go_on(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.awake += seconds
        self.passed += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += seconds


def test_time_that_passes_is_no_jump_however_much_of_it() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for seconds in (1.0, 0.0, 3.0, 86_400.0):
        clocks.go_on(seconds)
        assert watch.look() == []


def test_a_clock_that_is_set_has_jumped_once_and_by_how_much() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for by in (2 * HOUR, -2 * HOUR):
        clocks.go_on(1.0)
        clocks.wall += by
        assert watch.look() == [Jump(clocks.wall, by)]
        clocks.go_on(1.0)
        assert watch.look() == []


def test_a_sleep_is_time_that_passed_and_no_jump() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.sleep(7200)
    assert watch.look() == [Jump(NOON + 2 * HOUR, 2 * HOUR, asleep=True)]
    assert watch.look() == []


def test_a_clock_that_is_set_while_the_machine_wakes_up_is_both() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.sleep(7200)
    clocks.wall -= HOUR
    assert watch.look() == [
        Jump(NOON + 2 * HOUR, 2 * HOUR, asleep=True),
        Jump(NOON + HOUR, -HOUR),
    ]


def test_a_process_that_was_stopped_between_two_clocks_has_seen_no_jump() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.between = lambda stopped: stopped.go_on(5.0)
    assert watch.look() == []
    clocks.go_on(1.0)
    assert watch.look() == []


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(-90, 90), st.floats(0, 90)), max_size=9))
def test_whatever_clocks_do_what_is_found_adds_up_to_it(
    steps: list[tuple[float, float, float]],
) -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for seconds, set_by, slept in steps:
        clocks.go_on(seconds)
        clocks.sleep(slept)
        clocks.wall += timedelta(seconds=set_by)
        found = {jump.asleep: jump.by for jump in watch.look()}
        for asleep, wanted in ((True, slept), (False, set_by)):
            difference = found.get(asleep, timedelta()) - timedelta(seconds=wanted)
            assert abs(difference) <= (timedelta(milliseconds=1) if asleep in found else LEAST)


def test_each_is_said_with_what_becomes_of_the_schedule() -> None:
    assert Jump(NOON, 2 * HOUR).sentence == (
        "the system clock went forward for 2 hours, until 2018-11-23T12:00:00Z: "
        "what was due meanwhile counts as found late"
    )
    assert Jump(NOON, 2 * HOUR, asleep=True).sentence.startswith("the machine slept for 2 hours")
    assert Jump(NOON, -90 * SECOND).sentence == (
        "the system clock went back 1 minute 30 seconds, to 2018-11-23T12:00:00Z: "
        "nothing runs a second time, so nothing is due for 1 minute 30 seconds"
    )
