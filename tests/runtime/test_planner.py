"""What is owed, and when: lanes, downtime, idle work, swaps, jumping clocks."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optifire.core.calendar import AlwaysOpen, Calendar, RegularHours, SessionTable
from optifire.core.firing import IDLE_DELAY, Firing, Owed
from optifire.core.job import Code, Job, Misfire
from optifire.core.ports import Tick
from optifire.core.run import RunKind, RunStatus
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId
from optifire.runtime.planner import Planner

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAYS = [date(2018, 11, 19 + n) for n in range(5)]
#: Five sessions of 14:30 to 21:00 UTC, the last a half day until 18:00.
WEEK = SessionTable(
    "TEST",
    "UTC",
    date(2018, 11, 18),
    date(2018, 11, 25),
    RegularHours(timedelta(hours=14, minutes=30), timedelta(hours=21)),
    DAYS,
    [datetime(d.year, d.month, d.day, 14, 30, tzinfo=UTC) for d in DAYS],
    [datetime(d.year, d.month, d.day, 18 if d.day == 23 else 21, tzinfo=UTC) for d in DAYS],
    frozenset({DAYS[-1]}),
)
CLOSE = WEEK.closes[0]


def job(name: str, words: object, calendar: Calendar | None = None, **fields: Any) -> Job:
    schedule = parse_schedule(words, calendar=calendar or AlwaysOpen())
    return Job(PluginId(name), "1.0.0", "alpha", schedule, Code("/a", "A", "00"), **fields)


def owed(planner: Planner, now: datetime) -> list[str]:
    """Give what a planner owes up to an instant, as run ids and spans."""
    return told(planner.owed(Tick(planner.cursor, now)))


def told(found: Owed) -> list[str]:
    spans = [f"{s.job.plugin_id} {s.status} {s.count}" for s in found.spans]
    return spans + [firing.key.run_id for firing in found.firings]


def test_nothing_is_owed_before_its_instant_and_everything_at_it() -> None:
    planner = Planner([job("a", "interval_1m")], start=NOON)
    assert planner.next_instant() == NOON + MINUTE
    assert owed(planner, NOON + MINUTE - timedelta(microseconds=1)) == []
    assert owed(planner, NOON + MINUTE) == ["a@20181123T120100Z"]
    assert owed(planner, NOON + MINUTE) == []


def test_jobs_are_handed_out_by_instant_and_id_whatever_their_lanes() -> None:
    words = {"b": "interval_1m", "a": "interval_2m", "c": "interval_1m"}
    jobs = [job(name, word, misfire=Misfire.ALL) for name, word in words.items()]
    planner = Planner(jobs, start=NOON)
    assert owed(planner, NOON + 2 * MINUTE) == [
        "b@20181123T120100Z",
        "c@20181123T120100Z",
        "a@20181123T120200Z",
        "b@20181123T120200Z",
        "c@20181123T120200Z",
    ]


def test_an_instant_that_several_words_name_fires_once() -> None:
    a = job("a", ["interval_2m", "interval_3m"], misfire=Misfire.ALL)
    planner = Planner([a], start=NOON)
    assert owed(planner, NOON + 6 * MINUTE) == [
        f"a@20181123T120{minute}00Z" for minute in (2, 3, 4, 6)
    ]


def test_a_schedule_that_never_fires_is_never_waited_for() -> None:
    planner = Planner([job("a", "@manual"), job("b", "@event")], start=NOON)
    assert planner.next_instant() is None
    assert owed(planner, NOON + 999 * HOUR) == []


def test_downtime_is_owed_at_the_first_tick_by_the_misfire_rule() -> None:
    jobs = [
        job("all", "interval_1h", misfire=Misfire.ALL),
        job("latest", "interval_1h"),
        job("new", "interval_1h"),
        job("skip", "interval_1h", misfire=Misfire.SKIP),
    ]
    start = NOON + 50 * MINUTE
    since = {PluginId(name): NOON - 3 * HOUR for name in ("all", "latest", "skip")}
    planner = Planner(jobs, start=start, since=since)
    assert planner.next_instant() == start
    assert owed(planner, start) == [
        "latest coalesced 2",
        "skip missed 3",
        "all@20181123T100000Z",
        "all@20181123T110000Z",
        "all@20181123T120000Z",
        "latest@20181123T120000Z",
    ]
    assert planner.next_instant() == NOON + HOUR


def test_what_is_recorded_already_is_not_owed_again() -> None:
    planner = Planner(
        [job("a", "interval_1m")],
        start=NOON,
        since={PluginId("a"): NOON - MINUTE},
        done=["a@20181123T120000Z"],
    )
    assert owed(planner, NOON) == []
    assert owed(planner, NOON + MINUTE) == ["a@20181123T120100Z"]


def test_a_manual_run_is_owed_at_once_beside_the_schedule() -> None:
    a = job("a", "interval_1m")
    planner = Planner([a], start=NOON)
    planner.add(Firing(a, NOON, "manual", HOUR, kind=RunKind.MANUAL))
    assert planner.next_instant() == NOON
    assert owed(planner, NOON) == ["a@20181123T120000Z~manual"]
    assert planner.next_instant() == NOON + MINUTE


def test_firings_of_one_cycle_stand_together_and_kinds_apart() -> None:
    jobs = [job(name, "interval_1m") for name in "ab"]
    planner = Planner(jobs, start=NOON)
    planner.add(Firing(jobs[0], NOON + MINUTE, "manual", HOUR, kind=RunKind.MANUAL))
    planner.add(Firing(jobs[1], NOON + MINUTE, "event", HOUR, turn=1))
    assert owed(planner, NOON + MINUTE) == [
        "a@20181123T120100Z~manual",
        "a@20181123T120100Z",
        "b@20181123T120100Z",
        "b@20181123T120100Z.t1",
    ]


# --- idle work --------------------------------------------------------------------------------


def test_idle_work_is_due_at_the_close_and_handed_out_half_an_hour_later() -> None:
    planner = Planner([job("a", "@idle", WEEK)], start=CLOSE - HOUR)
    assert planner.next_instant() == CLOSE + IDLE_DELAY
    assert owed(planner, CLOSE + IDLE_DELAY - MINUTE) == []
    found = planner.owed(Tick(CLOSE, CLOSE + IDLE_DELAY))
    assert [(one.due, one.idle) for one in found.firings] == [(CLOSE, True)]


def test_a_start_between_the_close_and_its_release_still_owes_the_idle_work() -> None:
    planner = Planner([job("a", "@idle", WEEK)], start=CLOSE + 10 * MINUTE)
    assert planner.next_instant() == CLOSE + IDLE_DELAY


def test_idle_work_that_is_recorded_is_not_owed_again_after_a_start_before_its_release() -> None:
    planner = Planner(
        [job("a", "@idle", WEEK)], start=CLOSE + 10 * MINUTE, since={PluginId("a"): CLOSE}
    )
    assert owed(planner, CLOSE + HOUR) == []
    assert planner.next_instant() == WEEK.closes[1] + IDLE_DELAY


@pytest.mark.parametrize("swapped", [-1, 10, 29, 31, 60])
def test_idle_work_survives_a_swap_around_its_release_once(swapped: int) -> None:
    a = job("a", "@idle", WEEK)
    planner = Planner([a], start=CLOSE - HOUR)
    planner.owed(Tick(CLOSE - HOUR, CLOSE + 5 * MINUTE))
    at = max(CLOSE + swapped * MINUTE, planner.cursor)
    following = planner.successor([a], {a.plugin_id}, at)
    assert owed(following, CLOSE + 2 * HOUR) == ["a@20181119T210000Z"]


# --- going over to other jobs -----------------------------------------------------------------


def test_a_swap_keeps_downtime_manual_runs_and_what_is_done() -> None:
    a, b = job("a", "interval_1m"), job("b", "interval_1m")
    planner = Planner(
        [a],
        start=NOON,
        since={a.plugin_id: NOON - 2 * MINUTE},
        done=["a@20181123T120000Z"],
    )
    planner.add(Firing(a, NOON, "manual", HOUR, kind=RunKind.MANUAL))
    following = planner.successor([a, b], {a.plugin_id}, NOON)
    assert owed(following, NOON) == ["a coalesced 1", "a@20181123T120000Z~manual"]
    assert following.cursor == NOON


def test_a_job_that_was_on_goes_on_where_it_was_and_a_new_one_starts_now() -> None:
    a, b = job("a", "interval_1m"), job("b", "interval_1m")
    planner = Planner([a], start=NOON)
    planner.owed(Tick(NOON, NOON + MINUTE))
    following = planner.successor([a, b], {a.plugin_id}, NOON + 2 * MINUTE)
    assert owed(following, NOON + 3 * MINUTE) == [
        "a@20181123T120200Z",
        "a@20181123T120300Z",
        "b@20181123T120300Z",
    ]


# --- clocks that jump -------------------------------------------------------------------------


def test_a_jumping_clock_stops_only_for_jobs_that_do_not_watch_the_machine() -> None:
    jobs = [job("eye", "interval_1m", observes_machine=True), job("a", "interval_1h")]
    planner = Planner(jobs, start=NOON, jumping=True)
    assert planner.next_instant(observing=False) == NOON + HOUR
    assert planner.next_instant() == NOON + MINUTE
    assert owed(planner, NOON + HOUR) == [
        "eye coalesced 59",
        "a@20181123T130000Z",
        "eye@20181123T130000Z",
    ]


def test_a_clock_that_does_not_jump_treats_watchers_like_everyone() -> None:
    planner = Planner([job("eye", "interval_1m", observes_machine=True)], start=NOON)
    assert owed(planner, NOON + MINUTE) == ["eye@20181123T120100Z"]
    assert planner.next_instant(observing=False) is None


# --- looking ahead ----------------------------------------------------------------------------


def test_what_has_its_record_is_not_owed_again_by_a_clock_that_went_back() -> None:
    planner = Planner(
        [job("a", "interval_1m"), job("b", "interval_1m")],
        start=NOON,
        since={PluginId("a"): NOON + 2 * MINUTE},
    )
    assert planner.reached == NOON + 2 * MINUTE
    assert owed(planner, NOON + MINUTE) == ["b@20181123T120100Z"]
    assert owed(planner, NOON + 2 * MINUTE) == ["b@20181123T120200Z"]
    assert owed(planner, NOON + 3 * MINUTE) == ["a@20181123T120300Z", "b@20181123T120300Z"]


def test_a_table_that_ends_stops_nobody_else_and_a_longer_one_goes_on_where_it_ended() -> None:
    more = [*DAYS, date(2018, 11, 26), date(2018, 11, 27)]
    longer = replace(
        WEEK,
        horizon=date(2018, 11, 28),
        dates=more,
        opens=[datetime(d.year, d.month, d.day, 14, 30, tzinfo=UTC) for d in more],
        closes=[datetime(d.year, d.month, d.day, 21, tzinfo=UTC) for d in more],
    )
    daily, before, after = (
        job("daily", "0 12 * * *"),
        job("opens", "@open", WEEK),
        job("opens", "@open", longer),
    )
    planner = Planner([daily, before], start=NOON)
    assert owed(planner, WEEK.opens[-1]) == ["opens@20181123T143000Z"]
    late = NOON + timedelta(days=3, hours=5)
    assert owed(planner, late) == ["daily coalesced 2", "daily@20181126T120000Z"]
    planner = planner.successor([daily, after], {daily.plugin_id, after.plugin_id}, late)
    assert owed(planner, late) == ["opens missed 1"]
    assert owed(planner, longer.opens[-1]) == ["daily@20181127T120000Z", "opens@20181127T143000Z"]


def test_what_is_coming_is_listed_by_instant_and_id_up_to_a_number() -> None:
    planner = Planner([job("b", "interval_1m"), job("a", "interval_2m")], start=NOON)
    ahead = planner.upcoming(NOON + 2 * MINUTE)
    assert [(one.plugin_id, one.due.minute) for one in ahead] == [("b", 1), ("a", 2), ("b", 2)]
    assert planner.upcoming(NOON + 2 * MINUTE, limit=2) == ahead[:2]
    assert owed(planner, NOON + MINUTE) == ["b@20181123T120100Z"]


def test_the_next_occurrence_of_each_job_is_listed_soonest_first() -> None:
    planner = Planner([job("b", "interval_1h"), job("a", "interval_1m")], start=NOON)
    found = planner.next_of_each(NOON + HOUR)
    assert [(one.plugin_id, one.trigger) for one in found] == [
        ("a", "interval_1m"),
        ("b", "interval_1h"),
    ]
    assert [one.plugin_id for one in planner.next_of_each(NOON + MINUTE)] == ["a"]


# --- properties -------------------------------------------------------------------------------

WORDS = [
    "interval_1m",
    "interval_7m",
    ["interval_2m", "*/3 * * * *"],
    "0 * * * *",
    "@idle",
    "@open",
]


@given(
    st.lists(st.sampled_from(range(len(WORDS))), min_size=1, max_size=6),
    st.lists(st.integers(1, 40 * 60), max_size=12),
    st.data(),
)
@settings(deadline=None, max_examples=60)
def test_however_time_is_cut_into_ticks_the_same_instants_are_owed(
    picked: list[int], cuts: list[int], data: st.DataObject
) -> None:
    jobs = [
        replace(job(f"j{n}", WORDS[word], WEEK), misfire=Misfire.ALL)
        for n, word in enumerate(picked)
    ]
    start = WEEK.opens[0] - timedelta(minutes=1)
    end = start + timedelta(hours=8)

    def keys(planner: Planner, ticks: list[datetime], *, swapping: bool = False) -> list[str]:
        found: list[str] = []
        for now in ticks:
            if swapping and data.draw(st.booleans()):
                on = {one.plugin_id for one in jobs}
                planner = planner.successor(jobs, on, data.draw(st.sampled_from([now, start])))
            owes = planner.owed(Tick(planner.cursor, now))
            assert all(span.status is RunStatus.COALESCED for span in owes.spans)
            found += [f"{one.job.plugin_id} {one.count}" for one in owes.spans]
            found += [one.key.run_id for one in owes.firings]
        return sorted(found)

    ticks = sorted({min(end, start + timedelta(minutes=cut / 5)) for cut in cuts} | {end})
    minutes = [start + timedelta(minutes=n) for n in range(1, 8 * 60 + 1)]
    reference = keys(Planner(jobs, start=start), minutes)
    assert keys(Planner(jobs, start=start), sorted({*minutes, *ticks})) == reference
    mixed = sorted({*minutes[::7], *ticks})
    assert keys(Planner(jobs, start=start), mixed, swapping=True) == reference
