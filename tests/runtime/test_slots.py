"""The slots: how many runs go on at once, in how much memory, and who waits for whom."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.budget import Budget
from optifire.core.calendar import AlwaysOpen
from optifire.core.firing import Firing
from optifire.core.job import Code, Job, Placement
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId
from optifire.runtime.slots import Slots, memory_of

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MANUAL = parse_schedule("@manual", calendar=AlwaysOpen())


def firing(
    name: str = "a", category: str = "alpha", mb: float = 64, due: datetime = NOON, **about: Any
) -> Firing:
    code = Code("/a", "A", "00")
    job = Job(PluginId(name), "1", category, MANUAL, code, budget=Budget(mem_mb=mb), **about)
    return Firing(job, due, "test", MINUTE)


@dataclass
class FixedRoom:
    most_mb: float
    used_mb: float = 0.0

    def left_mb(self) -> float:
        return self.most_mb - self.used_mb


def ignore() -> None:
    """Nobody waits for this one."""


def test_slots_are_given_by_priority_then_due_then_id() -> None:
    slots, went = Slots(1), []
    held = firing("held")
    assert slots.take(held, ignore)
    waiting = [
        firing("c"),
        firing("b"),
        firing("late", due=NOON + MINUTE, priority=10),
        firing("early", priority=10),
    ]
    for one in waiting:
        assert not slots.take(one, lambda one=one: went.append(one))  # type: ignore[misc]
    slots.give_back(held)
    while len(slots):
        slots.give_back(went[-1])
    assert [one.job.plugin_id for one in went] == ["early", "late", "b", "c"]
    assert slots.waiting == 0


def test_of_those_due_at_one_instant_who_failed_last_waits_for_the_others() -> None:
    slots, went = Slots(1), []
    held = firing("held")
    assert slots.take(held, ignore)
    waiting = [
        (firing("a_bad"), True),
        (firing("b"), False),
        (firing("c_first", priority=10), True),
        (firing("d_later", due=NOON + MINUTE), False),
    ]
    for one, failing in waiting:
        assert not slots.take(one, lambda one=one: went.append(one), failing=failing)  # type: ignore[misc]
    slots.give_back(held)
    while len(slots):
        slots.give_back(went[-1])
    assert [one.job.plugin_id for one in went] == ["c_first", "b", "a_bad", "d_later"]


def test_risk_and_exec_have_a_slot_of_their_own_each() -> None:
    slots = Slots(1)
    taken = [firing("a"), firing("r", "risk"), firing("e", "exec")]
    assert all(slots.take(one, ignore) for one in taken)
    assert not slots.take(firing("r2", "risk"), ignore)
    assert not slots.take(firing("b"), ignore)
    assert (len(slots), slots.waiting) == (3, 2)


def test_a_reserved_slot_that_comes_free_goes_past_those_who_may_not_have_it() -> None:
    slots, went = Slots(1), []
    common, risk = firing("a"), firing("r", "risk")
    assert slots.take(common, ignore)
    assert slots.take(risk, ignore)
    slots.take(firing("b", priority=1), lambda: went.append("b"))
    slots.take(firing("r2", "risk"), lambda: went.append("r2"))
    slots.give_back(risk)
    assert went == ["r2"]
    slots.give_back(common)
    assert went == ["r2", "b"]


@pytest.mark.parametrize("placement", [Placement.INLINE, Placement.RESIDENT])
def test_inline_runs_and_residents_need_no_slot(placement: Placement) -> None:
    slots = Slots(0)
    one = firing(placement=placement)
    assert slots.take(one, ignore)
    slots.give_back(one)
    assert len(slots) == 0


def test_one_that_gives_up_waiting_is_not_given_a_slot() -> None:
    slots = Slots(1)
    held, gone, went = firing("a"), firing("b"), []
    assert slots.take(held, ignore)
    assert not slots.take(gone, lambda: went.append("b"))
    slots.give_back(gone)
    assert slots.waiting == 0
    slots.give_back(held)
    assert (went, len(slots)) == ([], 0)
    slots.give_back(held)
    assert slots.take(held, ignore)


@given(st.lists(st.tuples(st.sampled_from(["alpha", "risk", "exec"]), st.booleans()), max_size=40))
def test_however_slots_are_taken_and_given_back_none_is_lost(steps: list[tuple[str, bool]]) -> None:
    slots = Slots(2)
    known: list[Firing] = []
    for number, (category, gives_back) in enumerate(steps):
        if gives_back and known:
            slots.give_back(known.pop(number % len(known)))
        else:
            one = firing(f"j{number}", category)
            slots.take(one, ignore)
            known.append(one)
        held = [one for one in known if slots.holds(one)]
        assert len(held) == len(slots) <= 4
        assert len(held) + slots.waiting == len(known)
        common = [one for one in known if one.job.category == "alpha" and not slots.holds(one)]
        assert not common or len(slots) >= 2
    for one in known:
        slots.give_back(one)
    assert len(slots) == slots.waiting == 0


# --- memory -----------------------------------------------------------------------------------


def test_runs_wait_while_their_memory_limits_would_be_more_than_there_is() -> None:
    slots, went = Slots(4, FixedRoom(300.0)), []
    a, b = firing("a", mb=200), firing("b", mb=101)
    assert slots.take(a, ignore)
    assert not slots.take(b, lambda: went.append("b"))
    assert slots.held_mb == 200
    slots.give_back(a)
    assert (went, slots.held_mb) == (["b"], 101)


def test_what_the_service_itself_uses_is_not_there_for_runs() -> None:
    room = FixedRoom(300.0, used_mb=100.0)
    slots = Slots(4, room)
    first, second = firing("a", mb=100), firing("b", mb=101)
    assert slots.take(first, ignore)
    assert not slots.take(second, ignore)
    room.used_mb = 90.0
    assert slots.take(firing("c", priority=1, mb=100), ignore)


def test_a_small_run_does_not_overtake_a_large_one_that_waits_for_memory() -> None:
    slots, went = Slots(4, FixedRoom(300.0)), []
    first = firing("a", mb=200)
    assert slots.take(first, ignore)
    assert not slots.take(firing("large", mb=250), lambda: went.append("large"))
    assert not slots.take(firing("small", mb=20), lambda: went.append("small"))
    slots.give_back(first)
    assert went == ["large", "small"]


def test_risk_goes_past_who_waits_for_memory_with_the_slot_of_its_own() -> None:
    slots = Slots(4, FixedRoom(300.0))
    assert slots.take(firing("a", mb=200), ignore)
    assert not slots.take(firing("large", mb=250), ignore)
    assert slots.take(firing("r", "risk", mb=64), ignore)
    assert not slots.take(firing("r2", "risk", mb=16), ignore)


def test_a_run_that_is_alone_has_room_however_little_is_left() -> None:
    slots = Slots(2, FixedRoom(100.0, used_mb=90.0))
    assert slots.take(firing("a", mb=90), ignore)


@given(
    st.integers(1, 4),
    st.integers(100, 600),
    st.lists(
        st.tuples(st.sampled_from(["alpha", "risk", "exec"]), st.integers(1, 400), st.booleans()),
        max_size=40,
    ),
)
def test_memory_is_never_promised_twice_and_everybody_gets_a_turn(
    concurrency: int, most: int, steps: list[tuple[str, int, bool]]
) -> None:
    slots = Slots(concurrency, FixedRoom(float(most)))
    known: list[Firing] = []
    went: set[str] = set()

    def check() -> None:
        held = [one.job for one in known if slots.holds(one)]
        assert slots.held_mb == sum(memory_of(job) for job in held)
        assert slots.held_mb <= most or len(held) == 1
        assert bool(held) == bool(known), "somebody waits, and nobody runs"

    for number, (category, mb, gives_back) in enumerate(steps):
        if gives_back and known:
            slots.give_back(known.pop(number % len(known)))
        one = firing(f"j{number}", category, mb)
        known.append(one)
        if slots.take(one, lambda one=one: went.add(one.job.plugin_id)):  # type: ignore[misc]
            went.add(one.job.plugin_id)
        check()
    given_up = {f"j{number}" for number in range(len(steps))} - {*(o.job.plugin_id for o in known)}
    while known:
        ended = next(one for one in known if slots.holds(one))
        known.remove(ended)
        slots.give_back(ended)
        check()
    assert went | given_up == {f"j{number}" for number in range(len(steps))}
    assert (len(slots), slots.waiting, slots.held_mb) == (0, 0, 0.0)
