"""Which session jobs were missed in the last session, and which values have gone stale."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from optifire.app.staleness import MOST_MISSED, Missed, is_session, stale_signs
from optifire.core.calendar import AlwaysOpen, Calendar, RegularHours, SessionTable
from optifire.core.graph import Declaration, build_graph
from optifire.core.job import Code, Job, parse_need
from optifire.core.ledger import ContextValue, RunRow, new_run
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.schedule import parse_schedule
from optifire.core.types import Encoded, PluginId, RunId

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPEN = datetime(2018, 11, 21, 14, 30, tzinfo=UTC)
#: Sessions on the 21st, 23rd and 26th; New York is five hours behind.
DATES = [date(2018, 11, 21), date(2018, 11, 23), date(2018, 11, 26)]
OPENS = [OPEN, OPEN + 2 * DAY, OPEN + 5 * DAY]
NYSE = SessionTable(
    "TEST",
    "America/New_York",
    DATES[0],
    DATES[-1],
    RegularHours(timedelta(hours=9, minutes=30), timedelta(hours=16)),
    DATES,
    OPENS,
    [each + 6 * HOUR + HOUR / 2 for each in OPENS],
)
A, B = PluginId("a"), PluginId("b")


def job(
    plugin_id: PluginId, word: str, *needs: object, calendar: Calendar | None = None, out: str = ""
) -> Job:
    schedule = parse_schedule(word, calendar=calendar or AlwaysOpen())
    return Job(
        plugin_id, "1.0.0", "alpha", schedule, Code("/f", "F", "00"), timeout=60.0,
        needs=tuple(parse_need(need) for need in needs), outputs=(out,) if out else (),
    )  # fmt: skip


def missed(
    due: datetime, trigger: str = "@open", *, count: int = 1, status: RunStatus = RunStatus.MISSED
) -> RunRow:
    row = new_run(RunKey(A, due), status, trigger)
    row.count = count
    return row


def said(rows: list[RunRow], now: datetime) -> list[str]:
    board = Missed()
    board.see(rows)
    return [each.reason for each in board.signs({A: job(A, "@open", calendar=NYSE)}, now)]


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("@open", True), ("@open+5m", True), ("@close-10m", True), ("market_open", True),
        ("@monthclose", True), ("@weekly", False), ("@monthly", False), ("interval_5m", False),
        ("*/5 * * * *", False), ("@idle", False), ("pull", False),
    ],
)  # fmt: skip
def test_session_words_are_told_from_others(word: str, means: bool) -> None:  # noqa: FBT001
    assert is_session(word) is means


def test_a_session_job_missed_in_the_last_session_is_told_until_the_next_one_opens() -> None:
    rows = [missed(OPENS[1])]
    why = "a was missed once in the last session, due 2018-11-23T14:30:00Z"
    assert said(rows, OPENS[1] + HOUR) == [why]
    assert said(rows, OPENS[2] - HOUR) == [why]
    assert said(rows, OPENS[2]) == []


def test_the_premarket_belongs_to_its_session_and_spans_count_whole() -> None:
    rows = [missed(OPENS[1] - 5 * HOUR, "@premarket"), missed(OPENS[1] + HOUR, "@open+1h", count=3)]
    assert said(rows, OPENS[1] + 2 * HOUR) == [
        "a was missed 4 times in the last session, due 2018-11-23T15:30:00Z"
    ]


def test_other_words_other_ends_and_other_kinds_are_not_told() -> None:
    by_hand = new_run(RunKey(A, OPENS[1], kind=RunKind.MANUAL), RunStatus.MISSED, "@open")
    rows = [
        missed(OPENS[0]), missed(OPENS[1], "interval_5m"), by_hand,
        missed(OPENS[1], status=RunStatus.SUCCEEDED),
    ]  # fmt: skip
    assert said(rows, OPENS[1] + HOUR) == []


def test_what_is_remembered_is_bounded_and_jobs_that_are_off_are_let_go() -> None:
    board = Missed()
    board.see(missed(OPENS[1] + n * timedelta(seconds=1)) for n in range(1000))
    (sign,) = board.signs({A: job(A, "@open", calendar=NYSE)}, OPENS[1] + HOUR)
    assert f"{MOST_MISSED} times" in sign.reason
    assert list(board.signs({B: job(B, "@open", calendar=NYSE)}, OPENS[1] + HOUR)) == []


def stale(*needs: object, age: timedelta, busy: tuple[PluginId, ...] = (), word: str) -> list[str]:
    """Say what is stale of a producer's value of noon, that long after, for who needs it so."""
    noon = datetime(2018, 11, 23, 12, tzinfo=UTC)
    jobs = {A: job(A, word, out="x"), B: job(B, "interval_1h", *needs)}
    declared = [
        Declaration(each.plugin_id, outputs=each.outputs, needs=each.needs)
        for each in jobs.values()
    ]
    values = {
        name: ContextValue(
            name, A, key, RunId("a@1"), noon, 0, Encoded(msgspec.msgpack.encode(["x"]))
        )
        for name, key in (("a", ""), ("a.x", "x"), ("x", "x"))
    }
    found = stale_signs(build_graph(declared), jobs, values, noon + age, busy)
    return [each.reason for each in found]


@pytest.mark.parametrize(
    ("need", "age", "is_stale"),
    [
        ("x", timedelta(), False),
        ("x", timedelta(minutes=59), False),
        ("x", timedelta(minutes=60), False),
        # Due again at 13:00, and its timeout and a minute more are not over yet.
        ("x", timedelta(minutes=61), False),
        ("x", timedelta(minutes=62), True),
        ("x", timedelta(minutes=180), True),
        ("a", timedelta(minutes=180), True),
        ({"needs": "x", "max_age": "1d"}, timedelta(minutes=180), False),
        ({"needs": "x", "max_age": "1d"}, timedelta(days=2), True),
        ({"optional": "x"}, timedelta(minutes=180), True),
        ({"after": "a"}, timedelta(minutes=180), False),
    ],
)
def test_a_needed_value_is_stale_when_its_producer_was_due_again_since(
    need: object, age: timedelta, *, is_stale: bool
) -> None:
    reasons = stale(need, age=age, word="interval_1h")
    assert bool(reasons) is is_stale
    assert not reasons or (reasons[0].startswith("what a left is of") and "by b" in reasons[0])


def test_nothing_is_stale_that_nobody_needs_or_that_never_falls_due_or_is_being_made() -> None:
    assert stale(age=DAY, word="interval_1h") == []
    assert stale("x", age=DAY, word="@manual") == []
    assert stale("x", age=DAY, word="interval_1h", busy=(A,)) == []
