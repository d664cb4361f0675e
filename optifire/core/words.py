"""Reads the words of a schedule; every complaint names the word, what is wrong and near words."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from optifire.core import phrases
from optifire.core.entry import Entry
from optifire.core.errors import ConfigError
from optifire.core.grid_words import ALIASES, grid_word
from optifire.core.reading import Reading
from optifire.core.session import SESSION_EVENTS
from optifire.core.session_words import PERIODS, session_word
from optifire.core.trigger import OnHalfDays, SessionTrigger

#: Words that never fire by themselves, and stand alone.
UNTIMED = ("@continuous", "@manual", "@event")
#: Every word as it is offered when somebody mistypes one.
KNOWN = (
    "@open", "@close", "@open+5m", "@close-10m", "@idle", "@premarket", "@postmarket",
    *ALIASES, *PERIODS, *UNTIMED, "interval_30s", "interval_5m", "interval_1h", "interval_1d",
)  # fmt: skip


def read_words(reading: Reading, words: object, events: Sequence[str] = ()) -> tuple[Entry, ...]:
    """Give the entries of a word or a list of them, and of session events, each word once.

    Raises
    ------
    ConfigError
        A word does not parse, can never fire, or does not go with the others or the calendar.
    """
    entries = {entry.word: entry for entry in (_read(word, reading) for word in _listed(words))}
    alone = [word for word in entries if word in UNTIMED]
    if alone and len(entries) > 1:
        raise reading.bad(
            f"{alone[0]!r} stands alone, and here it is one of {', '.join(map(repr, entries))}",
            "Remove it, or all the others",
        )
    entries |= {name: _event(name, reading) for name in events}
    if not entries:
        raise reading.bad(
            "the schedule has no words",
            'Write "@manual" for a job that never runs by itself, "@event" for one with triggers',
        )
    return tuple(entries.values())


def require_zone(tz: str, where: str) -> str:
    """Give the zone's name back if the machine's time zone data knows it.

    Raises
    ------
    ConfigError
        It does not; the message offers near names.
    """
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(tz, sorted(available_timezones()), n=3)
        raise ConfigError(
            f"{tz!r} is not a time zone",
            where=where,
            remedy=_offer(near, 'Write an IANA name such as "America/New_York"'),
        ) from error
    return tz


def _read(word: object, reading: Reading) -> Entry:
    """Give the entry of one word or mapping."""
    if isinstance(word, Mapping):
        return _described(word, reading)
    if not isinstance(word, str):
        raise reading.bad(
            f"a schedule word is text, not {type(word).__name__} ({word!r})",
            'Write a word such as "@open", or a cron line in quotes',
        )
    text = " ".join(word.split())
    if text in UNTIMED:
        return Entry(text, None, phrases.UNTIMED[text])
    entry = session_word(text, reading) or grid_word(text, reading)
    if entry is None:
        near = difflib.get_close_matches(text.lower(), KNOWN, n=3, cutoff=0.5)
        known = f"Known words: {', '.join(KNOWN)}"
        raise reading.bad(f"{word!r} is not a schedule word", _offer(near, known))
    return _with_half_days(entry, reading)


def _event(name: str, reading: Reading) -> Entry:
    """Give the entry of a session event of the host, such as ``market_open``."""
    if name not in SESSION_EVENTS:
        near = difflib.get_close_matches(name, SESSION_EVENTS)
        raise reading.bad(
            f"{name!r} is not a session event",
            _offer(near, f"The host's events are {', '.join(SESSION_EVENTS)}"),
        )
    ruled = replace(reading, half_day="only") if name == "half_day" else reading
    entry = _read(SESSION_EVENTS[name], ruled)
    return replace(entry, word=name, meaning=f"on {name}, {entry.meaning}")


def _described(mapping: Mapping[str, object], reading: Reading) -> Entry:
    """Give the entry of an APScheduler trigger that travelled as a mapping."""
    if reading.rebuild is None:
        raise reading.bad(
            f"{dict(mapping)!r} is not a schedule word", "Write a word, a cron line or an interval"
        )
    built = reading.rebuild(mapping, reading.where)
    grace = None if built.interval is None else built.interval / 2
    entry = Entry(built.word, built.trigger, built.meaning, grace=grace, warnings=built.warnings)
    return _with_half_days(entry, reading)


def _with_half_days(entry: Entry, reading: Reading) -> Entry:
    """Give the entry with the rule for half days, where it is bound to sessions."""
    rule, trigger = reading.half_day, entry.trigger
    if not isinstance(trigger, SessionTrigger):
        if rule == "follow":
            return entry
        told = f"half_day: {rule} does not concern {entry.word!r}, which is not bound to sessions"
        return replace(entry, warnings=(*entry.warnings, told))
    meaning = f"{entry.meaning} ({phrases.HALF_DAYS[rule]})"
    ruled = replace(entry, meaning=meaning, half_day=rule)
    if rule != "only":
        return ruled
    return reading.require_firing(replace(ruled, trigger=OnHalfDays(trigger)))


def _offer(near: Sequence[str], otherwise: str) -> str:
    return f"Did you mean {' or '.join(near)}?" if near else otherwise


def _listed(words: object) -> Iterator[object]:
    if isinstance(words, Sequence) and not isinstance(words, str | bytes):
        yield from words
    elif words is not None:
        yield words
