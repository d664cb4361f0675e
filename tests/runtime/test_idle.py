"""Idle work: when it begins, for whom it makes way, and how it is tried again."""

import datetime as dt
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optifire.core.calendar import RegularHours, SessionTable
from optifire.core.firing import Firing
from optifire.core.job import Effect
from optifire.core.ports import Outcome, RunRequest
from optifire.core.run import TERMINAL, Reason, RunStatus
from optifire.runtime.overlap import Manner

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
DAYS = [dt.date(2018, 11, day) for day in (20, 21, 22)]


def at(day: int, hour: float) -> datetime:
    return datetime(2018, 11, day, tzinfo=UTC) + hour * HOUR


#: Three sessions from 10 to 14 o'clock UTC.
WEEK = SessionTable(
    "TEST", "UTC", dt.date(2018, 11, 1), dt.date(2018, 11, 30), RegularHours(10 * HOUR, 14 * HOUR),
    DAYS, [at(each.day, 10) for each in DAYS], [at(each.day, 14) for each in DAYS],
)  # fmt: skip
CLOSE, OPEN = at(20, 14), at(21, 10)
KEY = "i@20181120T140000Z"


@dataclass
class Watch:
    """A body that takes so many minutes at each attempt, and what was seen of it."""

    world: Any
    minutes: list[float]
    begun: list[datetime] = field(default_factory=list)
    ended: list[datetime] = field(default_factory=list)

    async def __call__(self, request: RunRequest) -> Outcome:
        clock = self.world.clock
        took = self.minutes[min(len(self.begun), len(self.minutes) - 1)]
        self.begun.append(clock.now())
        try:
            await clock.pause(60 * took)
        finally:
            self.ended.append(clock.now())
        return Outcome(RunStatus.SUCCEEDED)


@pytest.fixture
def market(world: Any) -> Any:
    """Give a world with that market."""
    world.calendar = WEEK
    return world


def idle(world: Any, *minutes: float, name: str = "i", **fields: Any) -> Watch:
    watch = Watch(world, list(minutes))
    world.job(name, watch, schedule="@idle", timeout=1e9, **fields)
    return watch


def told(world: Any, run_id: str = KEY) -> str:
    row = world.store.rows[run_id]
    return f"{row.status.value}({row.reason})" if row.reason else row.status.value


def attempts(world: Any, run_id: str = KEY) -> list[str]:
    rows = [one for batch in world.store.batches for one in batch.attempts]
    return [str(one.status) for one in rows if one.run_id == run_id and one.finished_at]


async def test_it_begins_when_the_last_of_the_others_has_ended(market: Any, kit: Any) -> None:
    watch = idle(market, 1)
    market.job("long", Watch(market, [90]), schedule="@close", timeout=1e9)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(20, 16))
    assert watch.begun == [CLOSE + 90 * MINUTE]
    assert told(market) == "succeeded"


async def test_it_makes_way_a_minute_before_a_session_word_and_is_tried_again(
    market: Any, kit: Any
) -> None:
    watch = idle(market, 6000, 5)
    market.job("early", Watch(market, [3]), schedule="@open-4h")
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 6) - MINUTE)
        assert watch.ended == [at(21, 6) - MINUTE]
        why = "preempted: @open-4h of early is due at 2018-11-21T06:00:00Z"
        assert told(market) == f"due({why})"
        await timer.advance(at(21, 7))
    assert watch.begun == [CLOSE, at(21, 6) + 3 * MINUTE]
    assert told(market) == "succeeded"
    assert attempts(market) == ["preempted", "succeeded"]
    assert market.store.rows[KEY].attempts == 2


async def test_what_could_not_be_tried_again_before_the_open_ends_preempted(
    market: Any, kit: Any
) -> None:
    watch = idle(market, 6000)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(OPEN - MINUTE)
        assert told(market) == "due(preempted: the market opens at 2018-11-21T10:00:00Z)"
        await timer.advance(OPEN)
    assert watch.begun == [CLOSE]
    assert told(market) == "preempted(preempted: the market opened before another attempt)"
    assert market.store.history[-1] == (KEY, RunStatus.PREEMPTED)


async def test_what_never_began_before_the_open_is_missed(market: Any, kit: Any) -> None:
    watch = idle(market, 1)
    market.job("long", Watch(market, [60 * 24]), schedule="@close", timeout=1e9)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(OPEN - SECOND)
        assert KEY not in market.store.rows
        await timer.advance(OPEN)
    assert watch.begun == []
    assert told(market) == "missed(late: the market opened before the machine was idle)"


async def test_what_runs_intraday_makes_way_for_words_and_not_for_the_open(
    market: Any, kit: Any
) -> None:
    watch = idle(market, 6000, 1, intraday=True)
    market.job("mid", schedule="@open+1h")
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 11) - 2 * SECOND)
        assert watch.ended == [at(21, 11) - MINUTE]
        await timer.advance(at(21, 12))
    assert watch.begun == [CLOSE, at(21, 11)]
    assert told(market) == "succeeded"


async def test_nothing_begins_within_the_minute_before_a_session_word(
    market: Any, kit: Any
) -> None:
    watch = idle(market, 1)
    ends = (at(21, 6) - CLOSE - 30 * SECOND) / MINUTE
    market.job("long", Watch(market, [ends]), schedule="@close", timeout=1e9)
    market.job("early", schedule="@open-4h")
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 7))
    assert watch.begun == [at(21, 6)]


async def test_what_it_has_pulled_in_makes_way_with_it_and_both_are_tried_again(
    market: Any, kit: Any
) -> None:
    made = Watch(market, [6000, 5])
    market.job("made", made, out=("x",), schedule="@manual", timeout=1e9)
    watch = idle(market, 1, needs=({"optional": "x"}, "made"))
    market.job("early", schedule="@open-4h")
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 6) - MINUTE)
        assert told(market) == "due"
        assert told(market, "made@20181120T140000Z").startswith("due(preempted: @open-4h of")
        await timer.advance(at(21, 7))
    assert made.begun == [CLOSE, at(21, 6)]
    assert watch.begun == [at(21, 6) + 5 * MINUTE]
    assert (told(market), told(market, "made@20181120T140000Z")) == ("succeeded", "succeeded")


async def test_an_effectful_one_is_not_tried_again(market: Any, kit: Any) -> None:
    watch = idle(market, 6000, effect=Effect.EFFECTFUL)
    market.job("early", schedule="@open-4h")
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 9))
    assert watch.begun == [CLOSE]
    assert told(market).startswith("unknown(preempted: ")


async def test_a_cancel_outweighs_making_way_whichever_comes_first(market: Any, kit: Any) -> None:
    watch = idle(market, 6000)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(CLOSE)
        assert stage.engine.cancel(KEY, "by eva")
        await timer.advance(OPEN + HOUR)
    assert len(watch.begun) == 1
    assert told(market) == "cancelled(cancelled: by eva)"


@pytest.mark.parametrize("order", [(Manner.YIELD, Manner.GRACE), (Manner.GRACE, Manner.YIELD)])
async def test_a_cancel_in_the_moment_of_making_way_is_a_cancel(
    market: Any, kit: Any, order: tuple[Manner, ...]
) -> None:
    watch = idle(market, 6000)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(CLOSE)
        (run,) = market.live.all()
        for manner in order:
            run.end(f"said by {manner.name}", manner)
        await timer.advance(CLOSE + HOUR)
    assert len(watch.begun) == 1
    assert told(market) == "cancelled(cancelled: said by GRACE)"


async def test_what_waits_can_be_cancelled_whether_it_had_begun_or_not(
    market: Any, kit: Any
) -> None:
    first, second = idle(market, 6000), idle(market, 1, name="j")
    market.job("early", Watch(market, [60]), schedule="@open-4h", timeout=1e9)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 6) - SECOND)
        for run_id in (KEY, KEY.replace("i@", "j@")):
            assert stage.engine.cancel(run_id, "by eva")
        assert not stage.engine.cancel("k@20181120T140000Z", "by eva")
        await timer.settle()
    assert (len(first.begun), len(second.begun)) == (1, 0)
    assert {told(market, key) for key in (KEY, KEY.replace("i@", "j@"))} == {
        "cancelled(cancelled: by eva)"
    }


async def test_a_stop_while_it_waits_does_not_wait_and_leaves_it_for_the_next_start(
    market: Any, kit: Any
) -> None:
    idle(market, 6000)
    market.job("early", Watch(market, [60 * 24]), schedule="@open-4h", timeout=1e9)
    stage = kit.Stage(market, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(21, 7))
        assert told(market).startswith("due(preempted: ")
    assert told(market).startswith("due(preempted: ")
    assert market.store.rows["early@20181121T060000Z"].status not in TERMINAL


async def test_a_restart_takes_it_up_with_the_attempts_it_had(market: Any, kit: Any) -> None:
    watch = idle(market, 5)
    stage = kit.Stage(market, start=at(21, 8))
    job = market.jobs["i"]
    firing = Firing(job, CLOSE, "@idle", HOUR, idle=True)
    firing.row = _begun(firing)
    async with stage.running() as timer:
        stage.engine.take_up([firing], ())
        market.clock.wake()
        await timer.advance(at(21, 9))
    assert watch.begun == [at(21, 8)]
    assert market.store.rows[KEY].attempts == 3
    assert told(market) == "succeeded"


def _begun(firing: Firing) -> Any:
    from optifire.core.ledger import new_run

    row = new_run(firing.key, trigger="@idle")
    row.attempts, row.reason = 2, Reason("preempted", "the market opens")
    return row


MINUTES = st.floats(0.1, 900)


@settings(max_examples=60)
@given(
    works=st.lists(st.lists(MINUTES, min_size=1, max_size=4), min_size=1, max_size=3),
    offsets=st.lists(st.integers(-9, 3), max_size=3, unique=True),
    others=st.lists(MINUTES, max_size=2),
)
async def test_whatever_there_is_idle_work_is_alone_makes_way_and_has_one_end(
    kit: Any, works: list[list[float]], offsets: list[int], others: list[float]
) -> None:
    world = kit.World(calendar=WEEK)
    watches = {f"i{n}": idle(world, *each, name=f"i{n}") for n, each in enumerate(works)}
    words = [f"@open{each:+d}h" if each else "@open" for each in offsets]
    rest = {}
    for n, word in enumerate(words):
        rest[f"s{n}"] = Watch(world, [1])
        world.job(f"s{n}", rest[f"s{n}"], schedule=word)
    for n, each in enumerate(others):
        rest[f"o{n}"] = Watch(world, [each])
        world.job(f"o{n}", rest[f"o{n}"], schedule="@close", timeout=1e9)
    stage = kit.Stage(world, start=CLOSE - MINUTE)
    async with stage.running() as timer:
        await timer.advance(at(22, 13))
    assert stage.crashes == []
    triggers = [day + each * HOUR for day in (OPEN, OPEN + 24 * HOUR) for each in offsets]
    guarded = [*triggers, OPEN, OPEN + 24 * HOUR]
    spans = sorted(
        (begun, ended)
        for watch in watches.values()
        for begun, ended in zip(watch.begun, watch.ended, strict=True)
    )
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    for begun, ended in spans:
        assert not [one for one in guarded if begun < one and ended > one - MINUTE]
        assert not [one for one in guarded if one - MINUTE <= begun < one]
        for watch in rest.values():
            assert not [
                one for one, end in zip(watch.begun, watch.ended, strict=True) if one < begun < end
            ]
    for name, watch in watches.items():
        for due in (CLOSE, CLOSE + 24 * HOUR):
            run_id = f"{name}@{due:%Y%m%dT%H%M%SZ}"
            ends = [s for key, s in world.store.history if key == run_id and s in TERMINAL]
            assert len(ends) == 1
        made = [len(attempts(world, f"{name}@{day}T140000Z")) for day in (20181120, 20181121)]
        assert sum(made) == len(watch.begun)
