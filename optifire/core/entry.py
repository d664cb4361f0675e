"""One word of a schedule: its trigger, its meaning, and the terms of what it fires."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from optifire.core.calendar import Calendar, CalendarRangeError
from optifire.core.due import HALF_DAY, HalfDay, Late, Terms
from optifire.core.trigger import AtClose, AtOpen, OnHalfDays, SessionTrigger, Trigger, WhenIdle

#: A session word found later than this is missed: a stale open signal is worse than none.
SESSION_GRACE = timedelta(seconds=120)
#: The longest grace of cron lines and calendar words, which otherwise have half their period.
LONGEST_GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One word as read.

    Parameters
    ----------
    word
        As a person wrote it, or the name of a session event.
    trigger
        When it fires; None for what never fires by itself.
    meaning
        In words, without a full stop.
    misfire
        What becomes of an occurrence found later than its grace.
    grace
        None: half the distance to the next occurrence, at most an hour.
    half_day
        What it does on half days; meaningful for triggers bound to sessions only.
    warnings
        What a lint says about it.
    """

    word: str
    trigger: Trigger | None
    meaning: str
    misfire: Late = "latest"
    grace: timedelta | None = None
    half_day: HalfDay = "follow"
    warnings: tuple[str, ...] = ()
    #: The trigger, where an occurrence can be one that is recorded without running.
    _skippable: SessionTrigger | None = field(init=False, default=None, compare=False, repr=False)
    #: The terms of every occurrence with a fixed grace, and those of one that is skipped.
    _plain: Terms | None = field(init=False, default=None, compare=False, repr=False)
    _skipped: Terms | None = field(init=False, default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        trigger = self.trigger.inner if isinstance(self.trigger, OnHalfDays) else self.trigger
        moved = isinstance(trigger, AtOpen | AtClose) and bool(trigger.offset)
        if isinstance(trigger, SessionTrigger) and (moved or self.half_day == "skip"):
            object.__setattr__(self, "_skippable", trigger)
        if self.grace is not None:
            plain = Terms((self.word,), self.grace, self.misfire)
            object.__setattr__(self, "_plain", plain)
            object.__setattr__(self, "_skipped", replace(plain, skip=HALF_DAY))

    def next_after(self, instant: datetime, calendar: Calendar) -> datetime | None:
        """Give the first firing strictly after the instant, None if there is none."""
        return None if self.trigger is None else self.trigger.next_after(instant, calendar)

    def terms_at(self, due: datetime, calendar: Calendar) -> Terms:
        """Give what holds for the occurrence at that instant."""
        skip = None if self._skippable is None else self._skip_at(self._skippable, due, calendar)
        ready = self._plain if skip is None else self._skipped
        if ready is not None:
            return ready
        idle = isinstance(self.trigger, WhenIdle)
        return Terms((self.word,), self._grace_at(due, calendar), self.misfire, skip, idle)

    def _skip_at(self, trigger: SessionTrigger, due: datetime, calendar: Calendar) -> str | None:
        """Give why the occurrence must not run: a short session, or half days switched off."""
        session = trigger.session_of(due, calendar)
        if session is None:
            return None
        off = self.half_day == "skip" and session.half_day
        return HALF_DAY if off or not trigger.fits(due, session) else None

    def _grace_at(self, due: datetime, calendar: Calendar) -> timedelta:
        """Give the whole closed window for ``@idle``, else half the period, at most an hour.

        Where the calendar's table ends before the next occurrence, that one is far away.
        """
        idle = isinstance(self.trigger, WhenIdle)
        try:
            following = calendar.next_open(due) if idle else self.next_after(due, calendar)
        except CalendarRangeError:
            following = None
        if following is None:
            return LONGEST_GRACE
        return following - due if idle else min((following - due) / 2, LONGEST_GRACE)
