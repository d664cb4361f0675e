"""Alerts of one cause as one: nothing is lost, nobody is flooded, and the last word is true."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from optifire.core.alerts import Alert, Topic
from optifire.ops.repeats import LONGEST, Repeats, Told

START = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
WINDOW, MINUTE = timedelta(minutes=30), timedelta(minutes=1)


def alert(at: datetime, *, over: bool = False, lasting: bool = False, cause: str = "c") -> Alert:
    return Alert(Topic.HEALTH, cause, at, "what", "why", "do", lasting=lasting, over=over)


class Line:
    """One cause over time: minutes go by, and what is told is kept."""

    def __init__(self, *, lasting: bool = False) -> None:
        self.repeats = Repeats(WINDOW)
        self.now = START
        self.told: list[Told] = []
        self._lasting = lasting

    def wait(self, minutes: int) -> None:
        for _ in range(minutes):
            self.now += MINUTE
            self.told += self.repeats.ended(self.now)

    def trouble(self) -> None:
        self._take(over=False)

    def clear(self) -> None:
        self._take(over=True)

    def _take(self, *, over: bool) -> None:
        told = self.repeats.take(alert(self.now, over=over, lasting=self._lasting))
        self.told += [told] if told is not None else []

    def said(self) -> list[tuple[bool, int, bool]]:
        return [(each.alert.over, each.more, each.again) for each in self.told]


def test_the_first_is_told_and_the_rest_of_the_window_as_one_with_its_number() -> None:
    line = Line()
    for _ in range(5):
        line.trouble()
        line.wait(1)
    assert line.said() == [(False, 0, False)]
    line.wait(25)
    assert line.said() == [(False, 0, False), (False, 4, True)]
    assert line.told[1].since == START + MINUTE
    assert line.told[1].alert.at == START + 4 * MINUTE


def test_the_window_of_what_goes_on_is_twice_as_long_each_time_up_to_a_day() -> None:
    line = Line()
    instants = []
    for _ in range(5 * 1440):
        line.trouble()
        before = len(line.told)
        line.wait(1)
        instants += [line.now] * (len(line.told) - before)
    gaps = [after - before for before, after in itertools.pairwise(instants)]
    assert gaps[:5] == [timedelta(hours=each) for each in (1, 2, 4, 8, 16)]
    assert set(gaps[5:]) == {LONGEST}


def test_after_a_window_without_more_the_next_is_told_at_once() -> None:
    line = Line()
    line.trouble()
    line.wait(31)
    line.trouble()
    assert line.said() == [(False, 0, False)] * 2


def test_what_lasts_is_told_once_and_its_end_at_once_also_days_later() -> None:
    line = Line(lasting=True)
    line.trouble()
    line.wait(3 * 1440)
    line.clear()
    assert line.said() == [(False, 0, False), (True, 0, False)]


def test_the_end_of_what_nobody_was_told_of_is_not_told() -> None:
    line = Line(lasting=True)
    line.clear()
    line.wait(1440)
    assert line.told == []


def test_trouble_that_comes_back_after_its_all_clear_is_told_and_what_flaps_waits() -> None:
    line = Line(lasting=True)
    for _ in range(4):
        line.trouble()
        line.wait(1)
        line.clear()
        line.wait(1)
    assert line.said() == [(False, 0, False), (True, 0, False), (False, 0, False)]
    line.wait(22)
    assert line.said()[3:] == [(True, 2, False)]


def test_causes_do_not_touch_each_other() -> None:
    repeats = Repeats(WINDOW)
    assert repeats.take(alert(START, cause="a"))
    assert repeats.take(alert(START, cause="b"))
    assert repeats.take(alert(START, cause="a")) is None


#: Minutes until the next thing that happens, and whether that is an all-clear.
STORIES = st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=60)


@given(STORIES, st.booleans())
def test_every_alert_is_told_or_counted(story: list[tuple[int, bool]], lasting: bool) -> None:  # noqa: FBT001 - drawn
    line = Line(lasting=lasting)
    troubles = 0
    for minutes, over in story:
        line.wait(minutes)
        if over and lasting:
            line.clear()
        else:
            line.trouble()
            troubles += 1
    line.wait(3 * 1440)
    firsts = sum(not each.alert.over and not each.again for each in line.told)
    assert firsts + sum(each.more for each in line.told) == troubles


@example([(0, True), (0, False), (30, True)])
@given(STORIES.filter(bool))
def test_what_was_told_last_is_how_it_is(story: list[tuple[int, bool]]) -> None:
    line = Line(lasting=True)
    line.trouble()
    for minutes, over in story:
        line.wait(minutes)
        line.clear() if over else line.trouble()
    line.wait(3 * 1440)
    assert line.told[-1].alert.over is story[-1][1]


@given(st.lists(st.booleans(), min_size=200, max_size=200))
def test_nobody_is_told_more_than_a_few_times_whatever_flaps(story: list[bool]) -> None:
    line = Line(lasting=True)
    for over in story:
        line.clear() if over else line.trouble()
        line.wait(1)
    # 200 minutes are at most the windows of 30, 60 and 120 minutes, with four words in each.
    assert len(line.told) <= 3 * 4


def test_what_is_over_is_forgotten() -> None:
    line = Line()
    lasting = Line(lasting=True)
    for each in (line, lasting):
        each.trouble()
        each.clear()
        each.wait(1440)
        assert not each.repeats.causes
