"""A system clock that jumps: the wait ends at once, a note is kept, health says it."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from optifire.app.jumping import HELD, SHOWN, Jumping
from optifire.app.rooms import prune
from optifire.core.calendar import AlwaysOpen
from optifire.core.errors import StoreError
from optifire.core.ledger import Batch
from optifire.core.settings import RetentionSettings, Settings
from optifire.ops.health import Level
from optifire.runtime.clock import PacedClock, SystemClock
from optifire.runtime.jumps import JumpWatch

if TYPE_CHECKING:
    from optifire.app.service import Service

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Wall:
    """A wall clock that a test sets, and its timer, which never rings."""

    def __init__(self) -> None:
        self.wall = NOON
        self.passed = 0.0
        self.written: list[Batch] = []
        self.full = False

    def now(self) -> datetime:
        return self.wall

    def start(self, _: object) -> None:
        """Nothing rings here."""

    def arm(self, _: datetime | None) -> None:
        """Nothing rings here."""

    def stop(self) -> None:
        """Nothing rings here."""

    async def pause(self, _: float) -> None:
        """Nothing waits here."""

    async def write(self, batch: Batch) -> None:
        if self.full:
            raise StoreError("no room", where="here")
        self.written.append(batch)

    def notes(self) -> list[str]:
        return [f"{note.kind} {note.subject}" for batch in self.written for note in batch.notes]


@pytest.fixture
def wall() -> Wall:
    return Wall()


@dataclass
class Told:
    """A planner that says how far the record goes."""

    reached: datetime
    cursor: datetime = NOON


def jumping(wall: Wall, *, reached: datetime = NOON) -> tuple[Jumping, SystemClock]:
    """Give what is under test, and the clock that it wakes."""
    clock = SystemClock(wall)
    watch = JumpWatch(wall.now, lambda: wall.passed, lambda: wall.passed)
    return Jumping(clock, lambda: Told(reached), wall.write, watch, lambda: wall.passed), clock


async def test_a_clock_that_is_right_is_neither_noted_nor_shown(wall: Wall) -> None:
    each, _ = jumping(wall)
    await each.look()
    assert wall.written == []
    assert list(each.signs()) == []


async def test_a_jump_ends_the_wait_for_the_next_instant_and_is_noted_once(wall: Wall) -> None:
    each, clock = jumping(wall)
    waiting = asyncio.create_task(clock.wait(NOON + HOUR))
    wall.wall += 2 * HOUR
    await each.look()
    assert await waiting == NOON + 2 * HOUR
    await each.look()
    assert wall.notes() == ["clock forward"]
    (sign,) = each.signs()
    assert (sign.check, sign.level) == ("clock", Level.AMBER)
    wall.passed += SHOWN
    assert list(each.signs()) == []


@pytest.mark.parametrize(
    ("back", "level"),
    [(timedelta(minutes=9), Level.AMBER), (timedelta(minutes=11), Level.RED)],
)
async def test_a_schedule_that_stands_still_is_shown_for_as_long_as_it_does(
    wall: Wall, back: timedelta, level: Level
) -> None:
    each, _ = jumping(wall)
    wall.wall -= back
    await each.look()
    wall.passed += 2 * SHOWN  # that it went back is long ago, but it was not set right again
    (sign,) = each.signs()
    assert sign.level is level
    assert "nothing is due until then" in sign.reason
    assert "2018-11-23T12:00:00Z" in sign.reason


async def test_what_the_ledger_had_no_room_for_is_said_once_and_noted_when_it_has(
    wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    each, _ = jumping(wall)
    wall.full = True
    wall.wall += HOUR
    for _ in range(3):
        await each.look()
    assert caplog.text.count("no room") == 1
    wall.full = False
    await each.look()
    assert wall.notes() == ["clock forward"]


async def test_nobody_goes_by_the_age_of_records_for_a_day_after_the_clock_was_set_by_days(
    wall: Wall, caplog: pytest.LogCaptureFixture
) -> None:
    each, _ = jumping(wall)
    wall.wall += HOUR
    await each.look()
    assert not each.is_doubtful()
    wall.wall += 400 * DAY
    for _ in range(3):
        await each.look()
        assert each.is_doubtful()
    assert caplog.text.count("nothing is removed for its age") == 1
    wall.passed += HELD
    wall.wall += timedelta(seconds=HELD)
    assert not each.is_doubtful()


@dataclass
class Kept:
    """A service as far as retention asks it, whose ledger has old runs."""

    jumping: Jumping
    clock: SystemClock
    removed: list[datetime] = field(default_factory=list)
    recorded: bool = False

    def __post_init__(self) -> None:
        self.pruning = self.backing = self.catalogs = self.calendars = self
        self.engine = self.rooms = self

    in_use = AlwaysOpen()

    def settings(self) -> Settings:
        return Settings()

    async def go(self, _: RetentionSettings, now: datetime, *, quiet: bool) -> None:
        assert quiet
        self.removed.append(now)


async def test_nothing_is_removed_for_its_age_at_the_moment_in_which_the_clock_is_set_by_days(
    wall: Wall,
) -> None:
    service = Kept(*jumping(wall))
    await prune(cast("Service", service))
    assert service.removed == [NOON]
    wall.wall += 400 * DAY
    await prune(cast("Service", service))
    assert service.removed == [NOON]
    wall.passed += HELD
    wall.wall += timedelta(seconds=HELD)
    await prune(cast("Service", service))
    assert service.removed == [NOON, wall.wall]


async def test_recorded_time_has_nothing_to_do_with_the_wall(wall: Wall) -> None:
    watch = JumpWatch(wall.now, lambda: wall.passed, lambda: wall.passed)
    paced = PacedClock(NOON, 0.0)
    each = Jumping(paced, lambda: Told(NOON + 400 * DAY), wall.write, watch, lambda: wall.passed)
    wall.wall += HOUR
    await each.look()
    assert wall.written == []
    assert list(each.signs()) == []
