"""The schedule language: what each word means, when it fires, and what it refuses."""

import datetime as dt
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.calendars.names import BUILTIN
from optifire.calendars.table import read_table
from optifire.core.calendar import AlwaysOpen, Calendar, CalendarRangeError, Closure
from optifire.core.due import Due
from optifire.core.errors import ConfigError
from optifire.core.schedule import Schedule, parse_schedule

XNYS = read_table(BUILTIN / "XNYS.sessions.gz")
CALENDARS: dict[str, Calendar] = {"XNYS": XNYS, "24/7": AlwaysOpen()}
GOLDEN = Path(__file__).with_name("test_schedule_golden.csv")
HOUR = timedelta(hours=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dues(schedule: Schedule, since: datetime, count: int) -> list[Due]:
    found: list[Due] = []
    while len(found) < count and (due := schedule.next_after(since)) is not None:
        found.append(due)
        since = due.instant
    return found


def golden() -> list[list[str]]:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if line[:1] != "#"]


def read(word: object, options: str = "", **more: object) -> Schedule:
    given = dict(option.split("=") for option in options.split())
    calendar = CALENDARS[given.pop("calendar", "XNYS")]
    return parse_schedule(word, calendar=calendar, **given, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("word", "options", "since", "expected"), golden())
def test_a_word_fires_at_the_golden_instants(
    word: str, options: str, since: str, expected: str
) -> None:
    wanted = [(instant(text.rstrip("*")), text.endswith("*")) for text in expected.split()]
    found = dues(read(word, options), instant(since), len(wanted))
    assert [(due.instant, due.skip == "half day") for due in found] == wanted


WORDS = (
    "@open", "@close", "@open+5m", "@close-10m", "@close+30m", "@premarket", "@postmarket", "@idle",
    "@hourly", "@daily", "@weekly", "@monthly", "@weekopen", "@weekclose", "@monthopen",
    "@monthclose", "interval_30s", "interval_7m", "interval_1h", "interval_1d", "0 9 * * *",
    "interval_5m@session", "*/5 * * * *@session", "30 1 * * *", "30 2 * * *", "*/7 1-3 * * *",
)  # fmt: skip
INSTANTS = st.integers(0, 37 * 365 * 86_400).map(
    lambda seconds: datetime(1991, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True),
    st.sampled_from(["follow", "skip", "only"]),
    INSTANTS,
    st.timedeltas(timedelta(), timedelta(days=3)),
)
def test_next_after_is_increasing_and_the_same_from_any_starting_instant(
    words: list[str], half_day: str, since: datetime, gap: timedelta
) -> None:
    schedule = read(words, f"half_day={half_day}")
    first, second = dues(schedule, since, 2)
    assert since < first.instant < second.instant
    between = min(since + gap, first.instant - timedelta(microseconds=1))
    assert schedule.next_after(between) == first
    assert schedule.next_after(second.instant - timedelta(microseconds=1)) == second


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=4, unique=True), INSTANTS)
def test_a_list_fires_when_the_first_of_its_words_does(words: list[str], since: datetime) -> None:
    each = [due for word in words if (due := read(word).next_after(since))]
    due = read(words).next_after(since)
    first = min(one.instant for one in each)
    assert due is not None
    assert due.instant == first
    assert due.words == tuple(one.word for one in each if one.instant == first)


@given(st.sampled_from(WORDS))
def test_the_words_of_a_schedule_read_back_as_the_same_schedule(word: str) -> None:
    schedule = read(f"  {word} ".replace(" ", "  "))
    assert schedule.words == (word,)
    assert read(schedule.words).entries == schedule.entries


def test_one_instant_named_by_two_words_fires_once() -> None:
    schedule = read(["@open", "30 9 * * 1-5"])
    first, second = dues(schedule, instant("2018-12-03T22:00"), 2)
    assert (first.instant, first.words) == (
        instant("2018-12-04T14:30"),
        ("@open", "30 9 * * 1-5"),
    )
    assert (second.instant, second.words) == (instant("2018-12-05T14:30"), ("30 9 * * 1-5",))


def test_an_open_and_the_event_market_open_fire_once() -> None:
    schedule = read("@open", events=("market_open",))
    assert schedule.words == ("@open", "market_open")
    due, after = dues(schedule, instant("2018-12-03T22:00"), 2)
    assert (due.instant, due.word) == (instant("2018-12-04T14:30"), "@open, market_open")
    assert after.instant == instant("2018-12-06T14:30")
    assert (due.grace, due.misfire) == (timedelta(seconds=120), "skip")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("premarket", "2018-11-23T09:00"),
        ("market_open", "2018-11-23T14:30"),
        ("market_close", "2018-11-23T18:00"),
        ("half_day", "2018-11-23T14:30"),
    ],
)
def test_a_session_event_fires_like_its_word(event: str, expected: str) -> None:
    schedule = read("@event", events=(event,))
    due = schedule.next_after(instant("2018-11-21T22:00"))
    assert due is not None
    assert (due.instant, due.words) == (instant(expected), (event,))
    assert schedule.event


def test_the_event_half_day_fires_on_half_days_only() -> None:
    found = dues(read(None, events=("half_day",)), instant("2018-01-01"), 3)
    assert [due.instant.date() for due in found] == [
        dt.date(2018, 7, 3),
        dt.date(2018, 11, 23),
        dt.date(2018, 12, 24),
    ]


def test_an_unknown_session_event_is_refused_with_near_names() -> None:
    with pytest.raises(ConfigError, match=r"'market_opn' is not a session event.*market_open"):
        read("@event", events=("market_opn",))


@pytest.mark.parametrize(
    ("word", "since", "grace", "misfire"),
    [
        ("@open", "2018-12-03", timedelta(seconds=120), "skip"),
        ("@close-10m", "2018-12-03", timedelta(seconds=120), "skip"),
        ("@premarket", "2018-12-03", timedelta(seconds=120), "skip"),
        ("@postmarket", "2018-12-03", timedelta(seconds=120), "skip"),
        ("interval_30s", "2018-12-03", timedelta(seconds=15), "latest"),
        ("interval_5m", "2018-12-03", timedelta(seconds=150), "latest"),
        ("interval_1d", "2018-12-03", 12 * HOUR, "latest"),
        ("interval_5m@session", "2018-12-03", timedelta(seconds=150), "latest"),
        ("0 9 * * *", "2018-12-03", HOUR, "latest"),
        ("*/10 * * * *", "2018-12-03", timedelta(minutes=5), "latest"),
        ("@hourly", "2018-12-03", HOUR / 2, "latest"),
        ("@monthly", "2018-12-03", HOUR, "latest"),
        ("@weekopen", "2018-12-03", HOUR, "latest"),
        ("@monthclose", "2018-12-03", HOUR, "latest"),
        ("@monthclose", "2029-12-03", HOUR, "latest"),
        ("@idle", "2018-12-04", 41 * HOUR + HOUR / 2, "skip"),
        (["@open", "30 9 * * *"], "2018-12-04T12:00", timedelta(seconds=120), "skip"),
        (["@close", "@idle"], "2018-12-04T20:00", timedelta(seconds=120), "skip"),
    ],
)
def test_each_kind_of_word_has_its_own_grace_and_rule_for_misfires(
    word: object, since: str, grace: timedelta, misfire: str
) -> None:
    due = read(word).next_after(instant(since))
    assert due is not None
    assert (due.grace, due.misfire) == (grace, misfire)


def test_an_instant_that_one_word_skips_and_another_does_not_may_run() -> None:
    schedule = read(["@open+4h", "30 13 * * 1-5"])
    due = schedule.next_after(instant("2018-11-23T18:00"))
    assert due is not None
    assert (due.instant, due.skip, due.misfire) == (instant("2018-11-23T18:30"), None, "latest")


def test_idle_marks_its_dues_unless_another_word_names_the_instant() -> None:
    (alone,) = dues(read("@idle"), instant("2018-12-03"), 1)
    (together,) = dues(read(["@idle", "@close"]), instant("2018-12-03"), 1)
    assert alone.idle
    assert not together.idle


@pytest.mark.parametrize("word", ["@manual", "@event", "@continuous"])
def test_an_untimed_word_never_fires_by_itself(word: str) -> None:
    schedule = read(word)
    assert schedule.next_after(instant("2018-12-03")) is None
    assert not schedule.timed
    flags = {"@manual": schedule.manual, "@event": schedule.event}
    flags["@continuous"] = schedule.continuous
    assert [name for name, flag in flags.items() if flag] == [word]


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("@open", "the open of each XNYS session (half days follow)"),
        ("@open+5m", "5 minutes after the open of each XNYS session (half days follow)"),
        (
            "@close-1h30m",
            "1 hour 30 minutes before the close of each XNYS session (half days follow)",
        ),
        ("@weekclose", "the last XNYS close of each week (half days follow)"),
        ("interval_1h", "every hour, counted from 1970-01-01 00:00 UTC"),
        ("interval_90s", "every 1 minute 30 seconds, counted from 1970-01-01 00:00 UTC"),
        ("0 9 * * *", "at 09:00 every day, America/New_York time"),
        ("@idle", "once in each time that XNYS is closed, when the machine is free"),
        ("@manual", "only when a person runs it"),
        (
            ["@open", "interval_5m"],
            (
                "the open of each XNYS session (half days follow); "
                "every 5 minutes, counted from 1970-01-01 00:00 UTC"
            ),
        ),
    ],
)
def test_a_schedule_says_in_words_what_it_means(word: object, meaning: str) -> None:
    assert read(word).meaning == meaning


@pytest.mark.parametrize(
    ("word", "options", "warned"),
    [
        ("30 2 * * *", "", True),
        ("0 1 * * *", "", True),
        ("59 2 * * *", "", True),
        ("30 2 * * *", "tz=Europe/Berlin", True),
        ("0 3 * * *", "", False),
        ("59 0 * * *", "", False),
        ("*/30 2 * * *", "", False),
        ("30 * * * *", "", False),
        ("30 2 * * *", "tz=UTC", False),
        ("30 2 * * *", "calendar=24/7", False),
        ("@daily", "", False),
    ],
)
def test_a_fixed_local_time_at_which_clocks_change_is_warned_of(
    word: str, options: str, *, warned: bool
) -> None:
    told = read(word, options).warnings
    assert bool(told) is warned
    assert all("clocks change" in text for text in told)


def test_a_half_day_rule_without_effect_is_warned_of() -> None:
    (told,) = read("interval_5m", "half_day=skip").warnings
    assert told == "half_day: skip does not concern 'interval_5m', which is not bound to sessions"


def test_a_closure_moves_the_next_firing() -> None:
    schedule = read("@open")
    closed = schedule.with_calendar(
        XNYS.with_closures([Closure(dt.date(2018, 12, 6), "a test of closures")])
    )
    since = instant("2018-12-04T22:00")
    assert [due.instant.day for due in dues(schedule, since, 2)] == [6, 7]
    assert [due.instant.day for due in dues(closed, since, 2)] == [7, 10]


@pytest.mark.parametrize(
    "word", ["@open", "@close", "@premarket", "@weekopen", "interval_5m@session"]
)
@pytest.mark.parametrize("since", ["1989-06-01", "2030-06-01", "2029-12-31T21:30"])
def test_a_session_word_outside_the_table_is_an_error_and_not_silence(
    word: str, since: str
) -> None:
    with pytest.raises(CalendarRangeError, match="covers 1990-01-01 to 2029-12-31"):
        read(word).next_after(instant(since))


def test_words_without_sessions_need_no_table() -> None:
    assert read("interval_1d").next_after(instant("2055-06-01T12:00")) is not None
    assert read("0 9 * * *").next_after(instant("1975-06-01T12:00")) is not None


def test_every_session_of_the_table_fires_its_open() -> None:
    found = dues(read("@open"), instant("1990-01-01T12:00"), len(XNYS.opens))
    assert [due.instant for due in found] == list(XNYS.opens)
