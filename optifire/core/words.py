"""Reads the words of a schedule; every complaint names the word, what is wrong and near words."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from optifire.core import phrases
from optifire.core.calendar import Calendar, CalendarRangeError
from optifire.core.cron import OnCron
from optifire.core.due import HalfDay
from optifire.core.entry import SESSION_GRACE, Entry
from optifire.core.errors import ConfigError
from optifire.core.session import EXTENDED_HOURS, SESSION_EVENTS
from optifire.core.trigger import (
    AtClose,
    AtOpen,
    AtPeriodClose,
    AtPeriodOpen,
    AtPremarket,
    Every,
    InSession,
    OnHalfDays,
    SessionTrigger,
    Trigger,
    WhenIdle,
)

#: Cron lines with a name, as in Vixie cron, in the market's zone.
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
#: Words that never fire by themselves, and stand alone.
UNTIMED = ("@continuous", "@manual", "@event")
PERIODS: Mapping[str, Trigger] = {
    "@weekopen": AtPeriodOpen("week"),
    "@weekclose": AtPeriodClose("week"),
    "@monthopen": AtPeriodOpen("month"),
    "@monthclose": AtPeriodClose("month"),
}
#: Every word as it is offered when somebody mistypes one.
KNOWN = (
    "@open", "@close", "@open+5m", "@close-10m", "@idle", "@premarket", "@postmarket",
    *ALIASES, *PERIODS, *UNTIMED, "interval_30s", "interval_5m", "interval_1h", "interval_1d",
)  # fmt: skip
UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
INTERVAL_UNITS = {**UNITS, "d": timedelta(days=1)}
LONGEST_INTERVAL = timedelta(days=3660)
SESSION_SUFFIX = "@session"
CRON_FIELDS = 5
#: From when on a line's first firing is looked for; any instant would do.
REFERENCE = datetime(2000, 1, 1, tzinfo=UTC)
#: Local hours in which clocks change in most zones that change them.
RISKY_HOURS = (1, 2)

_OFFSET_WORD = re.compile(r"@(open|close)([+-])(.*)")
_OFFSET = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_INTERVAL = re.compile(r"interval_(\d{1,9})([smhd])")


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
class Reader:
    """What a word is read against: a calendar, a zone, a rule for half days, a place for errors."""

    calendar: Calendar
    tz: str
    half_day: HalfDay = "follow"
    rebuild: Rebuild | None = None
    where: str = ""

    def read(self, word: object) -> Entry:
        """Give the entry of one word or mapping."""
        if isinstance(word, Mapping):
            return self._described(word)
        if not isinstance(word, str):
            raise self._bad(
                f"a schedule word is text, not {type(word).__name__} ({word!r})",
                'Write a word such as "@open", or a cron line in quotes',
            )
        text = " ".join(word.split())
        if text in UNTIMED:
            return Entry(text, None, phrases.UNTIMED[text])
        entry = self._session_word(text) or self._grid_word(text)
        if entry is None:
            raise self._unknown(text)
        return self._with_half_days(entry)

    def event(self, name: str) -> Entry:
        """Give the entry of a session event of the host, such as ``market_open``."""
        entry = self._session_word(SESSION_EVENTS[name])
        if entry is None:
            raise AssertionError(name)
        reader = replace(self, half_day="only") if name == "half_day" else self
        return reader._with_half_days(replace(entry, word=name))  # noqa: SLF001 - the same class

    def _session_word(self, text: str) -> Entry | None:
        """Give the entry of a word that means sessions, None if it is not one."""
        name = self.calendar.name
        if text in {"@open", "@close"} or _OFFSET_WORD.fullmatch(text):
            entry = self._around(text)
        elif text in {"@premarket", "@postmarket"}:
            entry = self._extended(text)
        elif text in PERIODS:
            entry = Entry(text, PERIODS[text], phrases.PERIODS[text].format(name))
        elif text == "@idle":
            meaning = f"once in each time that {name} is closed, when the machine is free"
            entry = Entry(text, WhenIdle(), meaning, misfire="skip")
        else:
            return None
        self._require_sessions(text)
        return entry

    def _around(self, text: str) -> Entry:
        """Give the entry of ``@open`` or ``@close`` with or without an offset."""
        offset = self._offset(text)
        opens = text.startswith("@open")
        trigger = AtOpen(offset) if opens else AtClose(offset)
        meaning = phrases.around("open" if opens else "close", offset, self.calendar.name)
        return Entry(text, trigger, meaning, misfire="skip", grace=SESSION_GRACE)

    def _offset(self, text: str) -> timedelta:
        """Give the offset of ``@open+5m``, judged on a regular session."""
        match = _OFFSET_WORD.fullmatch(text)
        if match is None:
            return timedelta()
        side, sign, amount = match.groups()
        parts = _OFFSET.fullmatch(amount)
        if not amount or parts is None:
            raise self._bad(
                f"{text!r} has the offset {sign + amount!r}, which is not a length of time",
                f'Write hours, minutes or seconds, as in "@{side}{sign}5m" or "@{side}{sign}1h30m"',
            )
        hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        offset = length if sign == "+" else -length
        if reason := self._impossible(side, offset):
            regular = self.calendar.regular
            raise self._bad(
                f"{text!r} {reason}",
                f"Keep it within a regular session of {self.calendar.name}, which lasts "
                f"{phrases.span(regular.close - regular.open)}, or within the same day",
            )
        return offset

    def _impossible(self, side: str, offset: timedelta) -> str:
        """Give why an offset cannot be on a regular session, empty if it can."""
        if self.calendar.always_open:
            return ""  # the complaint about the session word itself says more
        regular = self.calendar.regular
        if side == "open":
            moved, midnight = regular.open + offset, min(timedelta(), regular.open)
            if moved < midnight:
                return "lies on the day before its session"
            return "lies after the close" if moved > regular.close else ""
        moved = regular.close + offset
        if moved >= max(timedelta(days=1), regular.close + timedelta.resolution):
            return "lies on the day after its session"
        return "lies before the open" if moved < regular.open else ""

    def _extended(self, text: str) -> Entry:
        """Give the entry of ``@premarket`` or ``@postmarket``, which only New York has."""
        if self.calendar.name not in EXTENDED_HOURS and not self.calendar.always_open:
            side = "@open" if text == "@premarket" else "@close"
            raise self._bad(
                f"{text!r} is known for XNYS only, and this is calendar {self.calendar.name}",
                f'Use "{side}" with an offset',
            )
        if text == "@premarket":
            meaning = "04:00 New York time on each XNYS session day"
            return Entry(text, AtPremarket(), meaning, misfire="skip", grace=SESSION_GRACE)
        meaning = phrases.around("close", timedelta(), self.calendar.name)
        return Entry(text, AtClose(), meaning, misfire="skip", grace=SESSION_GRACE)

    def _grid_word(self, text: str) -> Entry | None:
        """Give the entry of an interval or a cron line, None if it is neither."""
        body = text.removesuffix(SESSION_SUFFIX).rstrip()
        if body.startswith("interval"):
            entry = self._interval(text, body)
        elif text in ALIASES or " " in body:
            entry = self._cron(text, ALIASES.get(text, body))
        else:
            return None
        return entry if body == text else self._inside(entry)

    def _interval(self, text: str, body: str) -> Entry:
        match = _INTERVAL.fullmatch(body)
        if match is None:
            raise self._bad(
                f"{text!r} is not an interval",
                'Write a whole number and one of s, m, h, d, as in "interval_5m"',
            )
        interval = int(match[1]) * INTERVAL_UNITS[match[2]]
        if not timedelta() < interval <= LONGEST_INTERVAL:
            raise self._bad(
                f"{text!r} is {'no time at all' if not interval else 'longer than ten years'}",
                'Write an interval of one second or more, as in "interval_30s"',
            )
        meaning = f"{phrases.every(interval)}, counted from 1970-01-01 00:00 UTC"
        return Entry(text, Every(interval), meaning, grace=interval / 2)

    def _cron(self, text: str, line: str) -> Entry:
        if len(line.split()) != CRON_FIELDS:
            raise self._bad(
                f"{text!r} has {len(line.split())} fields, and a cron line has five",
                'Write minute, hour, day of month, month and day of week, as in "0 9 * * 1-5"',
            )
        try:
            trigger = OnCron(line, self.tz)
            sim = CronSim(line, REFERENCE)
        except CronSimError as error:
            raise self._bad(
                f"{text!r} is not a cron line or never fires ({str(error).lower()})",
                'Write five fields such as "*/5 9-16 * * 1-5" (minute 0-59, hour 0-23, day of '
                "month 1-31, month 1-12, day of week 0-7)",
            ) from error
        if trigger.next_after(REFERENCE, self.calendar) is None:
            raise self._bad(f"{text!r} never fires", "Name a day that exists")
        warnings = self._risks(text, trigger)
        return Entry(text, trigger, phrases.cron(sim, self.tz), warnings=warnings)

    def _risks(self, text: str, trigger: OnCron) -> tuple[str, ...]:
        """Give the warning about fixed local times at which clocks change."""
        risky = [at for at in trigger.local_times if trigger.fixed and at.hour in RISKY_HOURS]
        if not risky or ZoneInfo(self.tz).utcoffset(None) is not None:
            return ()
        told = (
            f"{text!r} names {risky[0]:%H:%M} {self.tz} time, which can be missing or doubled when "
            "clocks change: it then fires at the first minute after the gap, or at the first of "
            "both; a time outside 01:00 to 03:00 avoids that"
        )
        return (told,)

    def _inside(self, entry: Entry) -> Entry:
        """Give the entry restricted to sessions."""
        self._require_sessions(entry.word)
        trigger = InSession(entry.trigger) if entry.trigger else None
        meaning = f"{entry.meaning}, while {self.calendar.name} is in session"
        return self._require_firing(replace(entry, trigger=trigger, meaning=meaning))

    def _described(self, mapping: Mapping[str, object]) -> Entry:
        """Give the entry of an APScheduler trigger that travelled as a mapping."""
        if self.rebuild is None:
            raise self._bad(
                f"{mapping!r} is not a schedule word", "Write a word, a cron line or an interval"
            )
        built = self.rebuild(mapping, self.where)
        grace = None if built.interval is None else built.interval / 2
        return Entry(
            built.word, built.trigger, built.meaning, "latest", grace, "follow", built.warnings
        )

    def _with_half_days(self, entry: Entry) -> Entry:
        """Give the entry with the rule for half days, where it is bound to sessions."""
        trigger = entry.trigger
        if not isinstance(trigger, SessionTrigger):
            if self.half_day == "follow":
                return entry
            told = f"half_day: {self.half_day} does not concern {entry.word!r}: it has no sessions"
            return replace(entry, warnings=(*entry.warnings, told))
        meaning = f"{entry.meaning} ({phrases.HALF_DAYS[self.half_day]})"
        ruled = replace(entry, meaning=meaning, half_day=self.half_day)
        if self.half_day != "only":
            return ruled
        return self._require_firing(replace(ruled, trigger=OnHalfDays(trigger)))

    def _require_sessions(self, text: str) -> None:
        if self.calendar.always_open:
            raise self._bad(
                f"{text!r} means sessions, and calendar {self.calendar.name} never opens or closes",
                "Use an interval or a cron line, or name an exchange as the calendar",
            )

    def _require_firing(self, entry: Entry) -> Entry:
        """Give the entry back if it fires at least once within the calendar's table."""
        start = datetime.combine(
            self.calendar.first, datetime.min.time(), ZoneInfo(self.calendar.tz)
        )
        try:
            if entry.next_after(start.astimezone(UTC), self.calendar) is not None:
                return entry
        except CalendarRangeError:
            pass  # the search ran off the end of the table: it holds no such instant
        raise self._bad(
            f"{entry.word!r} never fires in a session of {self.calendar.name}",
            "Name a time at which the market is open",
        )

    def _unknown(self, text: str) -> ConfigError:
        near = difflib.get_close_matches(text.lower(), KNOWN, n=3, cutoff=0.5)
        remedy = (
            f"Did you mean {' or '.join(near)}?" if near else f"Known words: {', '.join(KNOWN)}"
        )
        return self._bad(f"{text!r} is not a schedule word", remedy)

    def _bad(self, message: str, remedy: str) -> ConfigError:
        return ConfigError(message, where=self.where, remedy=remedy)


def read_words(reader: Reader, words: object, events: Sequence[str] = ()) -> tuple[Entry, ...]:
    """Give the entries of a word or a list of them, and of session events, each word once."""
    entries = {entry.word: entry for entry in map(reader.read, _listed(words))}
    alone = [word for word in entries if word in UNTIMED]
    if alone and len(entries) > 1:
        raise ConfigError(
            f"{alone[0]!r} stands alone, and here it is one of {', '.join(map(repr, entries))}",
            where=reader.where,
            remedy="Remove it, or all the others",
        )
    entries |= {entry.word: entry for entry in map(reader.event, events)}
    if not entries:
        raise ConfigError(
            "the schedule has no words",
            where=reader.where,
            remedy='Write "@manual" for a job that never runs by itself',
        )
    return tuple(entries.values())


def require_zone(tz: str, where: str) -> str:
    """Give the zone's name back if the machine's time zone data knows it."""
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(tz, sorted(available_timezones()), n=3)
        raise ConfigError(
            f"{tz!r} is not a time zone",
            where=where,
            remedy=f"Did you mean {' or '.join(near)}?"
            if near
            else 'Write an IANA name such as "America/New_York"',
        ) from error
    return tz


def _listed(words: object) -> Iterator[object]:
    if words is None:
        return
    if isinstance(words, Sequence) and not isinstance(words, str | bytes):
        yield from words
    else:
        yield words
