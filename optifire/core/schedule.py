"""Text to schedule: words, cron lines, intervals and lists, and when they fire next."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from optifire.core.calendar import Calendar, CalendarRangeError
from optifire.core.due import Due, HalfDay, Late, Terms, strictest
from optifire.core.entry import Entry
from optifire.core.phrases import HALF_DAYS
from optifire.core.reading import Reading, Rebuild
from optifire.core.trigger import Every, InSession, SessionTrigger
from optifire.core.words import read_words, require_zone

__all__ = ["Due", "HalfDay", "Late", "Schedule", "Terms", "parse_schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The union of some words over one calendar: when a job fires, and in words what that means.

    Values of this class are pure: `next_after` gives the same answer from any starting instant.
    """

    entries: tuple[Entry, ...]
    calendar: Calendar = field(repr=False)
    tz: str

    def next_after(self, instant: datetime) -> Due | None:
        """Give the first due instant strictly after the instant, None if there is no other.

        Raises
        ------
        CalendarRangeError
            A word asks the calendar about a day outside its table.
        """
        best: datetime | None = None
        winners: list[Entry] = []
        for entry in self.entries:
            found = entry.next_after(instant, self.calendar)
            if found is None or (best is not None and found > best):
                continue
            if found != best:
                best, winners = found, []
            winners.append(entry)
        if best is None:
            return None
        if len(winners) == 1:
            return Due(best, winners[0].terms_at(best, self.calendar))
        return Due(best, strictest([entry.terms_at(best, self.calendar) for entry in winners]))

    def next_known(self, instant: datetime) -> Due | None:
        """Give `next_after`, and None where the calendar's table ends before it.

        For planning: health warns long before the end of a table, and nothing may stop the rest.
        """
        try:
            return self.next_after(instant)
        except CalendarRangeError:
            return None

    def next_session_word(self, instant: datetime) -> tuple[datetime, str] | None:
        """Give when a session word fires next, and which; None if none does, as far as is known."""
        found: list[tuple[datetime, str]] = []
        for entry in self.entries:
            if isinstance(entry.trigger, SessionTrigger):
                with suppress(CalendarRangeError):
                    due = entry.next_after(instant, self.calendar)
                    found += [] if due is None else [(due, entry.word)]
        return min(found, default=None)

    @property
    def words(self) -> tuple[str, ...]:
        """Give the words in the order written, session events last."""
        return tuple(entry.word for entry in self.entries)

    @property
    def meaning(self) -> str:
        """Give what the schedule means, as a sentence without a full stop."""
        return "; ".join(entry.meaning for entry in self.entries)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Give what a lint should say about the words, daylight saving above all."""
        return tuple(text for entry in self.entries for text in entry.warnings)

    @property
    def timed(self) -> bool:
        """Tell whether any word names instants (``@idle`` does: its closes)."""
        return any(entry.trigger is not None for entry in self.entries)

    @property
    def shortest_period(self) -> timedelta | None:
        """Give the shortest interval among the words, None if there is none."""
        plain = (entry.trigger for entry in self.entries)
        inner = (each.inner if isinstance(each, InSession) else each for each in plain)
        return min((each.interval for each in inner if isinstance(each, Every)), default=None)

    @property
    def idle(self) -> bool:
        """Tell whether ``@idle`` is among the words."""
        return "@idle" in self.words

    @property
    def continuous(self) -> bool:
        """Tell whether this job is resident and starts again when it ends."""
        return "@continuous" in self.words

    @property
    def manual(self) -> bool:
        """Tell whether this job runs when a person says so, and not by itself."""
        return "@manual" in self.words

    @property
    def event(self) -> bool:
        """Tell whether this job runs on bus events alone."""
        return "@event" in self.words

    def with_calendar(self, calendar: Calendar) -> "Schedule":
        """Give the same words over another table of the same exchange, as after a closure."""
        return replace(self, calendar=calendar)


def parse_schedule(
    words: object,
    *,
    calendar: Calendar,
    tz: str | None = None,
    half_day: HalfDay = "follow",
    events: Sequence[str] = (),
    rebuild: Rebuild | None = None,
    where: str = "",
) -> Schedule:
    """Give the schedule that the words describe.

    Parameters
    ----------
    words
        A word, a ``{class, fields}`` mapping of an APScheduler trigger, or a list of these.
    calendar
        Whose sessions the words mean.
    tz
        IANA zone of cron lines; the market's if None.
    half_day
        What session words do on half days.
    events
        The host's session events among the plan's triggers (`SESSION_EVENTS`); each fires like
        the word it stands for, and an instant that both name fires once.
    rebuild
        Turns the mapping of an APScheduler trigger into a trigger; without it mappings are errors.
    where
        What an error names as its place, such as file and line.

    Raises
    ------
    ConfigError
        A word does not parse, can never fire, or does not fit this calendar.
    """
    zone = require_zone(tz or calendar.tz, where)
    reading = Reading(calendar, zone, half_day, rebuild, where)
    if half_day not in HALF_DAYS:
        raise reading.bad(f"half_day is {half_day!r}", f"Use one of {', '.join(HALF_DAYS)}")
    return Schedule(read_words(reading, words, events), calendar, zone)
