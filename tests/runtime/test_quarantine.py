"""Who fails too often in a row is kept from running, and is tried again now and then."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.calendar import AlwaysOpen, Calendar, RegularHours, SessionTable
from optifire.core.ledger import RunRow
from optifire.core.run import Failure, Reason, RunKey, RunKind, RunStatus
from optifire.core.settings import QUARANTINE_AFTER
from optifire.core.types import PluginId
from optifire.runtime.quarantine import (
    BETWEEN_TRIALS,
    FAILURES,
    GOOD,
    Standing,
    after,
    begun,
    may_run,
    next_trial,
    recalled,
    sentence,
)

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=1)
#: One session, from 11:00 to 13:00 UTC.
DAY = SessionTable(
    "TEST",
    "UTC",
    date(2018, 11, 22),
    date(2018, 11, 24),
    RegularHours(timedelta(hours=11), timedelta(hours=13)),
    [date(2018, 11, 23)],
    [NOON - HOUR],
    [NOON + HOUR],
)
FAILED, SUCCEEDED = RunStatus.FAILED, RunStatus.SUCCEEDED
SAYS_NOTHING = [
    RunStatus.SKIPPED,
    RunStatus.REFUSED,
    RunStatus.CANCELLED,
    RunStatus.PREEMPTED,
    RunStatus.LOST,
    RunStatus.MISSED,
]


def run(
    status: RunStatus, at: datetime = NOON, kind: RunKind = RunKind.SCHEDULED, why: str = "boom"
) -> RunRow:
    key = RunKey(PluginId("bad"), at, kind=kind)
    row = RunRow(key, key.run_id, status, started_at=at, finished_at=at, attempts=1)
    if status in FAILURES:
        row.reason, row.failure = Reason("error", "Boom"), Failure("Boom", why)
    return row


def ended(*statuses: RunStatus, start: Standing = GOOD) -> Standing:
    """Give the standing after runs that ended so, a minute apart from noon on."""
    for number, status in enumerate(statuses):
        start = after(start, run(status, NOON + number * MINUTE), NOON + number * MINUTE)
    return start


HELD = ended(*[FAILED] * QUARANTINE_AFTER)
SINCE = NOON + 4 * MINUTE


@pytest.mark.parametrize("status", sorted(FAILURES))
def test_the_fifth_failure_in_a_row_quarantines_whatever_kind_it_is(status: RunStatus) -> None:
    assert ended(*[status] * 4).held is None
    standing = ended(*[status] * 5)
    assert (standing.held, standing.since, standing.failures) == (SINCE, NOON, 5)


@pytest.mark.parametrize("status", SAYS_NOTHING)
def test_other_ends_neither_count_nor_begin_anew(status: RunStatus) -> None:
    assert ended(*[FAILED, status] * 4).held is None
    assert ended(*[FAILED, status] * 4, FAILED).failures == 5
    assert ended(*[status] * 9) == GOOD


def test_a_success_begins_anew_and_lifts_also_when_made_by_hand() -> None:
    assert ended(*[FAILED] * 4, SUCCEEDED, *[FAILED] * 4).held is None
    assert after(HELD, run(SUCCEEDED, kind=RunKind.MANUAL), NOON) == GOOD


def test_shadow_runs_are_not_told() -> None:
    shadow = run(FAILED, kind=RunKind.SHADOW)
    assert after(GOOD, shadow, NOON) == GOOD
    assert after(HELD, run(SUCCEEDED, kind=RunKind.BACKFILL), NOON) == HELD


def test_a_failure_more_keeps_since_when_it_is_quarantined() -> None:
    more = after(HELD, run(FAILED), NOON + HOUR)
    assert (more.held, more.since, more.failures) == (HELD.held, NOON, 6)


@pytest.mark.parametrize(
    ("held", "calendar", "expected"),
    [
        (NOON, DAY, NOON + HOUR),  # the close
        (NOON + HOUR, DAY, NOON + HOUR),  # closed since this very instant
        (NOON + 3 * HOUR, DAY, NOON + 3 * HOUR),
        (NOON, AlwaysOpen(), NOON + BETWEEN_TRIALS),
        (NOON + timedelta(days=9), DAY, NOON + timedelta(days=9) + BETWEEN_TRIALS),
    ],
    ids=["open", "closing", "closed", "never closes", "beyond the table"],
)
def test_the_first_trial_waits_for_a_closed_market(
    held: datetime, calendar: Calendar, expected: datetime
) -> None:
    standing = Standing(5, NOON, "failed", held)
    assert next_trial(standing, calendar) == expected
    assert not may_run(standing, "x", expected - timedelta(microseconds=1), calendar)
    assert may_run(standing, "x", expected, calendar)


def test_trials_go_one_at_a_time_and_then_one_an_hour() -> None:
    close = NOON + HOUR
    trial = run(FAILED, close)
    standing = begun(HELD, trial, close)
    assert may_run(standing, trial.run_id, close + MINUTE, DAY)  # its own retry
    assert not may_run(standing, "another", close + 9 * HOUR, DAY)
    standing = after(standing, trial, close + MINUTE)
    assert not may_run(standing, "another", close + HOUR - MINUTE, DAY)
    assert may_run(standing, "another", close + HOUR, DAY)


@pytest.mark.parametrize(("late", "following"), [(5 * MINUTE, HOUR), (6 * MINUTE, 66 * MINUTE)])
def test_the_hour_counts_from_when_a_trial_was_due_unless_it_was_late(
    late: timedelta, following: timedelta
) -> None:
    standing = begun(HELD, run(FAILED, NOON + HOUR), NOON + HOUR + late)
    assert next_trial(standing, DAY) == NOON + HOUR + following


@pytest.mark.parametrize("status", SAYS_NOTHING)
def test_a_trial_that_says_nothing_is_over_and_counts_for_its_hour(status: RunStatus) -> None:
    trial = run(status, NOON + HOUR)
    standing = after(begun(HELD, trial, NOON + HOUR), trial, NOON + HOUR)
    assert (standing.trial, standing.failures) == (None, 5)
    assert next_trial(standing, DAY) == NOON + 2 * HOUR


def test_a_run_by_hand_is_no_trial() -> None:
    assert begun(HELD, run(FAILED, kind=RunKind.MANUAL), NOON) == HELD
    assert begun(GOOD, run(FAILED), NOON) == GOOD


def test_why_is_a_sentence_of_bounded_length() -> None:
    assert sentence(HELD, DAY) == (
        "5 runs in a row went wrong since 2018-11-23T12:00:00Z, the last one: failed (Boom: boom); "
        "its first occurrence from 2018-11-23T13:00:00Z on is a trial"
    )
    trial = run(FAILED, NOON + HOUR)
    assert sentence(begun(HELD, trial, NOON + HOUR), DAY).endswith(
        "; bad@20181123T130000Z is its trial"
    )
    assert len(after(HELD, run(FAILED, why="very\nlong " * 99), NOON).why) < 200


# --- what always holds ------------------------------------------------------------------------

statuses = st.sampled_from([SUCCEEDED, *sorted(FAILURES), *SAYS_NOTHING])
steps = st.lists(
    st.tuples(statuses, st.integers(0, 90), st.integers(0, 90), st.sampled_from(list(RunKind))),
    max_size=60,
)


def row_by_row(
    told: list[tuple[RunStatus, int, int, RunKind]], most: int
) -> list[tuple[Standing, RunRow, bool]]:
    """Play occurrences as the service does: standing after each, its row, whether it started."""
    standing, now, seen = GOOD, NOON, []
    for status, pause, took, kind in told:
        now += (1 + pause) * MINUTE
        row = run(status, now, kind)
        row.finished_at = now + took * MINUTE
        free = kind is RunKind.MANUAL or may_run(standing, row.run_id, now, DAY)
        if free:
            standing = after(begun(standing, row, now), row, row.finished_at, most)
        now = row.finished_at
        seen.append((standing, row, free))
    return seen


def in_a_row(rows: list[RunRow]) -> int:
    count = 0
    for row in rows:
        if row.key.kind not in {RunKind.SCHEDULED, RunKind.MANUAL}:
            continue
        count = 0 if row.status is SUCCEEDED else count + (row.status in FAILURES)
    return count


@given(steps, st.integers(1, 6))
def test_never_quarantined_with_fewer_in_a_row_and_always_with_as_many(
    told: list[tuple[RunStatus, int, int, RunKind]], most: int
) -> None:
    ran: list[RunRow] = []
    for standing, row, free in row_by_row(told, most):
        ran += [row] if free else []
        assert standing.failures == in_a_row(ran)
        assert (standing.held is not None) == (standing.failures >= most)


@given(steps, st.integers(1, 6))
def test_trials_of_one_quarantine_start_at_least_an_hour_apart(
    told: list[tuple[RunStatus, int, int, RunKind]], most: int
) -> None:
    before, last = GOOD, None
    for standing, row, free in row_by_row(told, most):
        if before.held is None:
            last = None
        elif free and row.key.kind is not RunKind.MANUAL:
            assert last is None or row.key.due - last >= BETWEEN_TRIALS
            last = row.key.due
        before = standing


@given(steps, st.integers(1, 6), st.randoms())
def test_what_the_ledger_tells_is_what_the_service_knew(
    told: list[tuple[RunStatus, int, int, RunKind]], most: int, shuffle: Random
) -> None:
    seen = row_by_row(told, most)
    rows = [row for _, row, free in seen if free]
    shuffle.shuffle(rows)
    assert recalled(rows, LONG_AGO, most) == (seen[-1][0] if seen else GOOD)


def test_what_started_before_a_change_is_not_told() -> None:
    rows = [run(FAILED, NOON + number * MINUTE) for number in range(6)]
    assert recalled(rows, NOON).failures == 5
    assert recalled(rows, NOON + MINUTE).failures == 4


def test_a_trial_that_goes_on_is_recalled() -> None:
    rows = [run(FAILED, NOON + number * MINUTE) for number in range(5)]
    trial = run(RunStatus.RUNNING, NOON + HOUR)
    trial.finished_at = None
    assert recalled([*rows, trial], LONG_AGO).trial == trial.run_id
