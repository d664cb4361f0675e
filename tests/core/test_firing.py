"""What becomes of occurrences that are found late: they run, or one row stands for a stretch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.calendar import AlwaysOpen
from optifire.core.due import Due, Late, Terms
from optifire.core.firing import Firing, Owed, firing_of, is_late, misfire_of, owe, owe_latest
from optifire.core.job import MOST_CAUGHT_UP, Code, Job, Misfire
from optifire.core.run import RunKind, RunStatus
from optifire.core.schedule import parse_schedule
from optifire.core.types import PluginId

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GRACE = 2 * MINUTE
JOB = Job(
    PluginId("a"),
    "1.0.0",
    "alpha",
    parse_schedule("@manual", calendar=AlwaysOpen()),
    Code("/a", "A", "00"),
)
EXEC = replace(JOB, category="exec")


def due(
    minutes: float,
    misfire: Late = "latest",
    *,
    skip: str | None = None,
    idle: bool = False,
    word: str = "word",
) -> Due:
    """Give an occurrence that many minutes before noon."""
    return Due(NOON - minutes * MINUTE, Terms((word,), GRACE, misfire, skip, idle))


def shape(owed: Owed) -> tuple[list[float], list[tuple[str, float, float, int]]]:
    """Give the minutes before noon of what runs, and (status, first, last, count) of spans."""

    def back(instant: datetime) -> float:
        return (NOON - instant) / MINUTE

    runs = [back(firing.due) for firing in owed.firings]
    spans = [(str(s.status), back(s.first), back(s.last), s.count) for s in owed.spans]
    return runs, spans


@pytest.mark.parametrize(
    ("rule", "found", "runs", "spans"),
    [
        # within grace everything runs, whatever the rule
        ("skip", [2, 1, 0], [2, 1, 0], []),
        ("latest", [2, 1, 0], [2, 1, 0], []),
        ("all", [2, 1, 0], [2, 1, 0], []),
        # all of it late
        ("skip", [9, 8, 7], [], [("missed", 9, 7, 3)]),
        ("latest", [9, 8, 7], [7], [("coalesced", 9, 8, 2)]),
        ("all", [9, 8, 7], [9, 8, 7], []),
        ("skip", [9], [], [("missed", 9, 9, 1)]),
        ("latest", [9], [9], []),
        # late ones followed by timely ones: the latest is a timely one
        ("skip", [9, 8, 1], [1], [("missed", 9, 8, 2)]),
        ("latest", [9, 8, 1], [1], [("coalesced", 9, 8, 2)]),
        ("all", [9, 8, 1], [9, 8, 1], []),
    ],
)
def test_the_misfire_rule_decides_about_what_is_late(
    rule: str, found: list[float], runs: list[float], spans: list[tuple[str, float, float, int]]
) -> None:
    job = replace(JOB, misfire=Misfire(rule))
    assert shape(owe(job, [due(minutes) for minutes in found], NOON)) == (runs, spans)


def test_catching_up_runs_the_last_hundred_and_coalesces_the_older_ones() -> None:
    job = replace(JOB, misfire=Misfire.ALL)
    owed = owe(job, [due(minutes) for minutes in range(150, 2, -1)], NOON)
    runs, spans = shape(owed)
    assert runs == list(range(MOST_CAUGHT_UP + 2, 2, -1))
    assert spans == [("coalesced", 150, 103, 48)]


def test_the_word_decides_unless_the_plan_says_otherwise() -> None:
    assert misfire_of(JOB, due(0, "skip")) is Misfire.SKIP
    assert misfire_of(JOB, due(0, "latest")) is Misfire.LATEST
    assert misfire_of(replace(JOB, misfire=Misfire.ALL), due(0, "skip")) is Misfire.ALL


def test_an_exec_job_never_runs_late_whatever_its_plan_says() -> None:
    job = replace(EXEC, misfire=Misfire.ALL)
    assert shape(owe(job, [due(9), due(8)], NOON)) == ([], [("missed", 9, 8, 2)])


@pytest.mark.parametrize(
    ("deadline", "minutes", "late"),
    [(None, 1.0, False), (None, 1.1, True), (300.0, 5.0, False), (300.0, 5.1, True)],
)
def test_an_exec_job_is_late_after_its_deadline_not_its_grace(
    *, deadline: float | None, minutes: float, late: bool
) -> None:
    assert is_late(replace(EXEC, deadline=deadline), due(minutes), NOON) is late


def test_an_occurrence_at_the_very_end_of_its_grace_is_in_time() -> None:
    assert not is_late(JOB, due(2), NOON)
    assert is_late(JOB, due(2), NOON + timedelta(microseconds=1))


def test_what_a_half_day_skips_is_never_late() -> None:
    owed = owe(JOB, [due(9, "skip", skip="half day")], NOON)
    assert [firing.skip for firing in owed.firings] == ["half day"]
    assert owed.spans == []


def test_idle_work_is_never_late() -> None:
    assert shape(owe(JOB, [due(999, idle=True)], NOON)) == ([999], [])


@pytest.mark.parametrize("half_day", [30, 1])
def test_what_a_half_day_skips_does_not_stand_in_for_the_latest_run(half_day: float) -> None:
    found = sorted([due(half_day, skip="half day"), due(9), due(8)], key=lambda one: one.instant)
    runs, spans = shape(owe(JOB, found, NOON))
    assert set(runs) == {half_day, 8}
    assert spans == [("coalesced", 9, 9, 1)]


def test_a_clock_that_jumps_runs_the_latest_and_coalesces_the_rest() -> None:
    assert shape(owe_latest(JOB, [due(9), due(1), due(0)])) == ([0], [("coalesced", 9, 1, 2)])
    assert shape(owe_latest(JOB, [due(99)])) == ([99], [])


def test_a_firing_says_what_its_schedule_said() -> None:
    firing = firing_of(JOB, due(0, skip="half day", word="@close-4h"))
    assert (firing.trigger, firing.skip, firing.grace) == ("@close-4h", "half day", GRACE)
    assert firing.key.run_id == "a@20181123T120000Z"
    assert firing.key.kind is RunKind.SCHEDULED


@pytest.mark.parametrize(
    ("job", "seconds"), [(JOB, None), (EXEC, 60), (replace(EXEC, deadline=5.0), 5)]
)
def test_a_deadline_counts_from_due(job: Job, seconds: int | None) -> None:
    deadline = Firing(job, NOON, "word", GRACE).deadline
    assert deadline == (None if seconds is None else NOON + timedelta(seconds=seconds))


def test_what_two_parts_owe_adds_up() -> None:
    owed = owe(JOB, [due(9), due(8)], NOON)
    owed.extend(owe(JOB, [due(1)], NOON))
    assert shape(owed) == ([8, 1], [("coalesced", 9, 9, 1)])


@st.composite
def stretches(draw: st.DrawFn) -> list[Due]:
    minutes = draw(st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=130))
    return [
        due(
            each,
            draw(st.sampled_from(["skip", "latest"])),
            skip=draw(st.sampled_from([None, None, None, "half day"])),
        )
        for each in sorted(minutes, reverse=True)
    ]


@given(
    stretches(),
    st.sampled_from([None, *Misfire]),
    st.sampled_from(["alpha", "exec"]),
)
def test_nothing_vanishes(found: list[Due], rule: Misfire | None, category: str) -> None:
    job = replace(JOB, misfire=rule, category=category)
    owed = owe(job, found, NOON)
    ran = [firing.due for firing in owed.firings]
    assert ran == sorted(set(ran))
    left = [one.instant for one in found if one.instant not in set(ran)]
    assert len(ran) + sum(span.count for span in owed.spans) == len(found)
    for span in owed.spans:
        assert (span.first, span.last, span.count) == (left[0], left[-1], len(left))
        assert span.status in {RunStatus.MISSED, RunStatus.COALESCED}
    assert {one.instant for one in found if not is_late(job, one, NOON)} <= set(ran)
