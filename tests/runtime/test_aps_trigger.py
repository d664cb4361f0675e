"""Triggers of APScheduler: described, rebuilt, and asked purely."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from optifire.core.calendar import AlwaysOpen
from optifire.core.errors import ConfigError
from optifire.core.schedule import Schedule, parse_schedule
from optifire.runtime.aps_trigger import describe, rebuild

NEW_YORK = "America/New_York"
MICROSECOND = timedelta(microseconds=1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def travelled(trigger: BaseTrigger) -> Schedule:
    """Give the schedule after its description went over a wire of plain values."""
    mapping = json.loads(json.dumps(describe(trigger)))
    return parse_schedule(mapping, calendar=AlwaysOpen(), rebuild=rebuild)


def walk(schedule: Schedule, since: str, count: int) -> list[str]:
    at = instant(since)
    found: list[str] = []
    while len(found) < count and (due := schedule.next_after(at)) is not None:
        at = due.instant
        found.append(f"{at:%Y-%m-%dT%H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("trigger", "since", "expected"),
    [
        (
            CronTrigger(hour=9, minute=30, day_of_week="mon-fri", timezone=NEW_YORK),
            "2018-12-07T20:00",
            ["2018-12-10T14:30:00", "2018-12-11T14:30:00"],
        ),
        (
            CronTrigger(hour=1, minute=30, timezone=NEW_YORK),
            "2026-10-31T12:00",
            ["2026-11-01T05:30:00", "2026-11-01T06:30:00", "2026-11-02T06:30:00"],
        ),
        (
            CronTrigger(hour=2, minute=30, timezone=NEW_YORK),
            "2026-03-08T05:00",
            ["2026-03-08T07:30:00", "2026-03-09T06:30:00"],
        ),
        (
            CronTrigger(
                minute="*/20",
                start_date="2018-12-07 10:05:00",
                end_date="2018-12-07 10:50:00",
                timezone="UTC",
            ),
            "2018-01-01T00:00",
            ["2018-12-07T10:20:00", "2018-12-07T10:40:00"],
        ),
        (
            IntervalTrigger(minutes=7, start_date="2018-12-07 10:03:00", timezone="UTC"),
            "2018-12-07T10:04",
            ["2018-12-07T10:10:00", "2018-12-07T10:17:00"],
        ),
        (
            IntervalTrigger(
                hours=1,
                start_date="2018-12-07 10:03:00",
                end_date="2018-12-07 12:00:00",
                timezone=NEW_YORK,
            ),
            "2018-01-01T00:00",
            ["2018-12-07T15:03:00", "2018-12-07T16:03:00"],
        ),
        (IntervalTrigger(minutes=5), "2018-12-07T10:04", ["2018-12-07T10:05:00"]),
        (
            DateTrigger("2018-12-07 10:00:00", timezone=NEW_YORK),
            "2018-01-01",
            ["2018-12-07T15:00:00"],
        ),
        (
            CalendarIntervalTrigger(days=2, hour=9, start_date=date(2018, 3, 8), timezone=NEW_YORK),
            "2018-03-09T00:00",
            ["2018-03-10T14:00:00", "2018-03-12T13:00:00"],
        ),
        (
            CalendarIntervalTrigger(months=1, hour=9, start_date=date(2018, 1, 31), timezone="UTC"),
            "2018-02-01T00:00",
            ["2018-03-31T09:00:00", "2018-05-31T09:00:00"],
        ),
        (
            AndTrigger(
                [
                    CronTrigger(hour="9,10", timezone="UTC"),
                    CronTrigger(hour="10,11", timezone="UTC"),
                ]
            ),
            "2018-12-07T00:00",
            ["2018-12-07T10:00:00", "2018-12-08T10:00:00"],
        ),
        (
            OrTrigger(
                [
                    CronTrigger(hour=9, timezone="UTC"),
                    IntervalTrigger(hours=6, start_date="2018-01-01 00:00:00", timezone="UTC"),
                ]
            ),
            "2018-12-07T05:00",
            ["2018-12-07T06:00:00", "2018-12-07T09:00:00", "2018-12-07T12:00:00"],
        ),
    ],
)
def test_a_trigger_fires_at_its_instants_after_it_has_travelled(
    trigger: BaseTrigger, since: str, expected: list[str]
) -> None:
    found = walk(travelled(trigger), since, len(expected) + 5)
    assert found[: len(expected)] == expected
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger(hour=2, minute=30, timezone=NEW_YORK),
        CronTrigger(hour="1,2,3", minute="10,40", timezone=NEW_YORK),
        CronTrigger(minute="*/15", timezone="Australia/Lord_Howe"),
        CronTrigger(hour=0, minute=0, timezone="America/Sao_Paulo"),
        CalendarIntervalTrigger(
            days=1, hour=2, minute=30, start_date=date(2017, 1, 1), timezone=NEW_YORK
        ),
        AndTrigger(
            [CronTrigger(hour="1-2", timezone=NEW_YORK), CronTrigger(minute=0, timezone=NEW_YORK)]
        ),
    ],
)
@pytest.mark.parametrize("change", ["2018-03-11T07:00", "2018-11-04T06:00", "2018-11-04T03:00"])
def test_the_answer_is_the_same_from_any_starting_instant(
    trigger: BaseTrigger, change: str
) -> None:
    schedule = travelled(trigger)
    start = instant(change) - timedelta(hours=30)
    wanted = []
    at = start
    while at < instant(change) + timedelta(hours=30):
        due = schedule.next_after(at)
        assert due is not None
        assert due.instant > at
        at = due.instant
        wanted.append(at)
    since = start
    edges = [instant(change) + n * timedelta(milliseconds=500) for n in range(-5, 5)]
    for edge in edges:
        due = schedule.next_after(edge)
        assert due is not None
        assert due.instant == next(each for each in wanted if each > edge)
    while since < wanted[-1]:
        due = schedule.next_after(since)
        assert due is not None
        assert due.instant == next(each for each in wanted if each > since)
        since += timedelta(minutes=17, seconds=13)


def test_an_interval_without_a_start_has_the_grid_of_the_interval_words() -> None:
    mapping = describe(IntervalTrigger(minutes=7))
    assert mapping["fields"]["start_date"] is None
    rebuilt = parse_schedule(mapping, calendar=AlwaysOpen(), rebuild=rebuild)
    word = parse_schedule("interval_7m", calendar=AlwaysOpen())
    since = instant("2018-12-07T10:04")
    ours, theirs = word.next_after(since), rebuilt.next_after(since)
    assert ours is not None
    assert theirs is not None
    assert (theirs.instant, theirs.grace, theirs.misfire) == (
        ours.instant,
        ours.grace,
        ours.misfire,
    )


def test_a_cron_trigger_is_warned_of_and_says_what_it_means() -> None:
    schedule = travelled(CronTrigger(hour=9, timezone=NEW_YORK))
    assert "fires the repeated hour twice" in schedule.warnings[0]
    assert schedule.meaning == "when [hour='9'] of APScheduler matches, America/New_York time"
    assert schedule.words == ("cron[hour='9']",)


class OwnTrigger(CronTrigger):  # type: ignore[misc]
    """A trigger class that the service cannot know."""


@pytest.mark.parametrize(
    ("trigger", "complaint"),
    [
        (OwnTrigger(hour=9), "class OwnTrigger cannot leave the worker"),
        ("0 9 * * *", "class str cannot leave the worker"),
        (CronTrigger(hour=9, jitter=5), "asks for jitter"),
        (OrTrigger([IntervalTrigger(hours=1, jitter=5)]), "asks for jitter"),
        (OrTrigger([CronTrigger(hour=9)], jitter=5), "asks for jitter"),
    ],
)
def test_what_cannot_travel_is_refused_with_a_remedy(trigger: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        describe(trigger, "plugins/x/impl.py")
    assert caught.value.where == "plugins/x/impl.py"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({"class": "CronTrigger"}, "does not describe a trigger"),
        ({"class": "os.system", "fields": {}}, "does not describe a trigger"),
        ({"class": ["CronTrigger"], "fields": {}}, "does not describe a trigger"),
        ({"class": "CronTrigger", "fields": {"hour": 25, "timezone": "UTC"}}, "do not fit"),
        ({"class": "CronTrigger", "fields": {"hours": 5, "timezone": "UTC"}}, "do not fit"),
        ({"class": "IntervalTrigger", "fields": {}}, "do not fit"),
        ({"class": "DateTrigger", "fields": {"run_date": "soon"}}, "do not fit"),
        (
            {"class": "CronTrigger", "fields": {"day": 30, "month": 2, "timezone": "UTC"}},
            "never fires",
        ),
        (
            describe(
                AndTrigger(
                    [CronTrigger(hour=9, timezone="UTC"), CronTrigger(hour=8, timezone="UTC")]
                )
            ),
            "never fires",
        ),
    ],
)
def test_a_description_that_means_nothing_is_refused(
    mapping: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        parse_schedule(mapping, calendar=AlwaysOpen(), rebuild=rebuild, where="features.yaml:3")
    assert caught.value.where == "features.yaml:3"
    assert caught.value.remedy


def test_a_trigger_answers_like_apscheduler_itself_away_from_clock_changes() -> None:
    own = CronTrigger.from_crontab("*/7 9-16 * * 0-4", timezone=NEW_YORK)
    schedule = travelled(own)
    at = instant("2018-06-01")
    for _ in range(200):
        due = schedule.next_after(at)
        assert due is not None
        theirs = own.get_next_fire_time(None, (at + MICROSECOND).astimezone(ZoneInfo(NEW_YORK)))
        assert due.instant == theirs
        at = due.instant
