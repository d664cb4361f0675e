"""Daylight saving: cron over zones and transitions, against a reading of clocks by the minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim

from optifire.core.calendar import AlwaysOpen
from optifire.core.cron import OnCron

ALWAYS = AlwaysOpen()
FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
#: Half a minute, because one zone (Monrovia, until 1972) was off by 44 minutes and a half.
STEP = timedelta(seconds=30)
WINDOW = timedelta(hours=27)
#: Zones that are odd in one way each: thirty-minute shifts, shifts at one minute past midnight and
#: at midnight, offsets with seconds, a skipped day, shifts of two and three hours, Ramadan.
SAMPLE = (
    "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/St_Johns",
    "America/Sao_Paulo", "Africa/Monrovia", "Pacific/Apia", "Pacific/Kwajalein",
    "Antarctica/Troll", "Antarctica/Casey", "Africa/Casablanca", "Asia/Tehran",
)  # fmt: skip
SAMPLED = 3
SHARDS = 24


@cache
def transitions(name: str) -> list[datetime]:
    """Give the first second of each new offset, found by bisection between days."""
    zone = ZoneInfo(name)
    found = []
    low = FIRST
    while low < LAST:
        high = low + DAY
        if offset(low, zone) != offset(high, zone):
            found.append(bisected(low, high, zone))
        low = high
    return found


def offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()


def bisected(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    old = offset(low, zone)
    while high - low > SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if offset(middle, zone) == old else (low, middle)
    return high


def expressions(change: datetime, zone: ZoneInfo) -> tuple[str, str, str]:
    """Give a fixed time in the middle of the gap or of the repeated stretch, and two others."""
    before, after = ((change + step).astimezone(zone) for step in (-SECOND, timedelta()))
    walls = sorted([before.replace(tzinfo=None), after.replace(tzinfo=None)])
    middle = walls[0] + (walls[1] - walls[0]) / 2
    return f"{middle.minute} {middle.hour} * * *", "*/30 * * * *", "15,45 0-2 * * *"


@lru_cache(maxsize=2)
def readings(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Give each instant whose clock shows a whole minute, with what it shows."""
    count = int((end - start) / STEP)
    instants = [start + n * STEP for n in range(count + 1)]
    shown = [(each, each.astimezone(zone).replace(tzinfo=None)) for each in instants]
    return [(each, wall) for each, wall in shown if not wall.second]


def expected(line: str, start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """Give the firings after `start` up to `end` by Debian's rule, from the clock's readings."""
    shown = readings(start - DAY, end + DAY, zone)
    sim = CronSim(line, FIRST)
    matching = [
        (at, wall) for at, wall in shown if wall.hour in sim.hours and wall.minute in sim.minutes
    ]
    hits = {at for at, _ in matching} if line.startswith("*") else set(fixed(sim, shown))
    return sorted(at for at in hits if start < at <= end)


def fixed(sim: CronSim, shown: list[tuple[datetime, datetime]]) -> Iterator[datetime]:
    first: dict[datetime, datetime] = {}
    for at, wall in shown:
        first.setdefault(wall, at)
    walls = [wall for _, wall in shown]
    day = min(walls).replace(hour=0, minute=0) + DAY
    while day <= max(walls) - DAY:
        for hour in sim.hours:
            for minute in sim.minutes:
                wall = day.replace(hour=hour, minute=minute)
                yield first.get(wall) or next(at for at, seen in shown if seen > wall)
        day += DAY


def check(name: str, change: datetime) -> None:
    zone = ZoneInfo(name)
    start, end = change - WINDOW, change + WINDOW
    for line in expressions(change, zone):
        trigger = OnCron(line, name)
        wanted = expected(line, start, end, zone)
        found = list(walk(trigger, start, end))
        assert found == wanted, (line, name)
        assert all(one < other for one, other in pairwise(found))
        beginnings = [start + n * timedelta(minutes=37, seconds=13) for n in range(85)]
        edges = [change + step for step in (-SECOND, timedelta(), SECOND)]
        for since in (*reversed(beginnings), *found, *edges):
            after = [at for at in wanted if at > since]
            asked = OnCron(line, name) if since in edges else trigger
            if after:
                assert asked.next_after(since, ALWAYS) == after[0], (line, name, since)


def walk(trigger: OnCron, start: datetime, end: datetime) -> Iterator[datetime]:
    found = trigger.next_after(start, ALWAYS)
    while found is not None and found <= end:
        yield found
        found = trigger.next_after(found, ALWAYS)


@pytest.mark.parametrize("name", SAMPLE)
def test_cron_is_whole_and_increasing_over_sampled_transitions(name: str) -> None:
    changes = transitions(name)
    assert changes
    for change in changes[len(changes) // 2 :: max(1, len(changes) // SAMPLED)]:
        check(name, change)


@cache
def distinct_zones() -> list[str]:
    """Give one name for each distinct history of offsets since 1970."""
    seen: dict[tuple[object, ...], str] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        history = [(change, offset(change, zone)) for change in transitions(name)]
        seen.setdefault((offset(FIRST, zone), *history), name)
    return sorted(seen.values())


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_cron_is_whole_and_increasing_over_all_transitions(shard: int) -> None:
    for name in distinct_zones()[shard::SHARDS]:
        for change in transitions(name):
            check(name, change)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("30 2 * * *", "America/New_York"),
        ("15,45 1-3 * * 0", "Europe/Berlin"),
        ("0 0 * * *", "America/Sao_Paulo"),
        ("7 23 L * *", "Asia/Tokyo"),
        ("0 12 13 * 5", "Europe/London"),
        ("*/20 * * * *", "America/New_York"),
        ("0 */4 1-7 * MON", "Australia/Sydney"),
    ],
)
def test_cron_agrees_with_a_running_cronsim_iterator(line: str, name: str) -> None:
    start = datetime(2016, 1, 1, 12, tzinfo=UTC)
    running = CronSim(line, start.astimezone(ZoneInfo(name)))
    wanted = [next(running).astimezone(UTC) for _ in range(3_000)]
    distinct = list(dict.fromkeys(wanted))
    assert list(walk(OnCron(line, name), start, wanted[-1])) == distinct
