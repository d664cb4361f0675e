"""What schedule words are read against, and the complaints that all of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from optifire.core.calendar import Calendar, CalendarRangeError
from optifire.core.due import HalfDay
from optifire.core.entry import Entry
from optifire.core.errors import ConfigError
from optifire.core.trigger import Trigger


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A trigger of APScheduler as another room rebuilt it from its description.

    ``interval`` is set for interval triggers, whose grace is half of it.
    """

    word: str
    trigger: Trigger
    meaning: str
    interval: timedelta | None = None
    warnings: tuple[str, ...] = ()


#: Gives a trigger for a ``{class, fields}`` mapping; the text is the place that errors name.
Rebuild = Callable[[Mapping[str, object], str], Rebuilt]


@dataclass(frozen=True, slots=True)
class Reading:
    """A calendar, a zone for cron lines, a rule for half days, and a place for errors."""

    calendar: Calendar
    tz: str
    half_day: HalfDay = "follow"
    rebuild: Rebuild | None = None
    where: str = ""

    def bad(self, message: str, remedy: str) -> ConfigError:
        """Give the error that says this, naming the place of the schedule."""
        return ConfigError(message, where=self.where, remedy=remedy)

    def require_sessions(self, text: str) -> None:
        """Refuse a session word where there are no sessions."""
        if self.calendar.always_open:
            raise self.bad(
                f"{text!r} means sessions, and calendar {self.calendar.name} never opens or closes",
                "Use an interval or a cron line, or name an exchange as the calendar",
            )

    def require_firing(self, entry: Entry) -> Entry:
        """Give the entry back if it fires at least once within the calendar's table."""
        day = self.calendar.first + timedelta(days=2)  # no offset reaches back over two days
        start = datetime.combine(day, time(), ZoneInfo(self.calendar.tz)).astimezone(UTC)
        try:
            if entry.next_after(start, self.calendar) is not None:
                return entry
        except CalendarRangeError:
            pass  # the search ran off the end of the table, which holds no such instant
        raise self.bad(
            f"{entry.word!r} never fires in a session of {self.calendar.name}"
            f"{' that is a half day' if self.half_day == 'only' else ''}",
            "Name a time at which the market is open",
        )
