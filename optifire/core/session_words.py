"""Reads the words that mean sessions: opens, closes, offsets, weeks, months, ``@idle``."""

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from optifire.core import phrases
from optifire.core.calendar import RegularHours
from optifire.core.entry import SESSION_GRACE, Entry
from optifire.core.reading import Reading
from optifire.core.session import EXTENDED_HOURS
from optifire.core.trigger import (
    AtClose,
    AtOpen,
    AtPeriodClose,
    AtPeriodOpen,
    AtPremarket,
    Trigger,
    WhenIdle,
)

PERIODS: Mapping[str, Trigger] = MappingProxyType(
    {
        "@weekopen": AtPeriodOpen("week"),
        "@weekclose": AtPeriodClose("week"),
        "@monthopen": AtPeriodOpen("month"),
        "@monthclose": AtPeriodClose("month"),
    }
)
DAY = timedelta(days=1)

_MOVED = re.compile(r"@(open|close)([+-])(.*)")
_LENGTH = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")


def session_word(text: str, reading: Reading) -> Entry | None:
    """Give the entry of a word that means sessions, None if it is not one.

    Raises
    ------
    ConfigError
        The offset is impossible, or this calendar has no such sessions.
    """
    calendar = reading.calendar
    if text in {"@premarket", "@postmarket"}:
        return _extended(text, reading)
    if text in PERIODS:
        reading.require_sessions(text)
        return Entry(text, PERIODS[text], phrases.PERIODS[text].format(calendar.name))
    if text == "@idle":
        reading.require_sessions(text)
        meaning = f"once in each time that {calendar.name} is closed, when the machine is free"
        return Entry(text, WhenIdle(), meaning, misfire="skip")
    if text in {"@open", "@close"}:
        return _around(text, text[1:], timedelta(), reading)
    if match := _MOVED.fullmatch(text):
        side, sign, amount = match.groups()
        return _around(text, side, _offset(text, side, sign, amount, reading), reading)
    return None


def _around(text: str, side: str, offset: timedelta, reading: Reading) -> Entry:
    """Give the entry of an open or a close, moved by an offset that a regular session allows."""
    reading.require_sessions(text)
    regular, name = reading.calendar.regular, reading.calendar.name
    if reason := _impossible(side, offset, regular):
        raise reading.bad(
            f"{text!r} {reason}",
            f"Keep it on the day of the session; between open and close of a regular session of "
            f"{name} lie {phrases.span(regular.close - regular.open)}",
        )
    trigger = AtOpen(offset) if side == "open" else AtClose(offset)
    meaning = phrases.around(side, offset, name)
    return Entry(text, trigger, meaning, misfire="skip", grace=SESSION_GRACE)


def _offset(text: str, side: str, sign: str, amount: str, reading: Reading) -> timedelta:
    parts = _LENGTH.fullmatch(amount)
    if not amount or parts is None:
        raise reading.bad(
            f"{text!r} has the offset {sign + amount!r}, which is not a length of time",
            f'Write hours, minutes or seconds, as in "@{side}{sign}5m" or "@{side}{sign}1h30m"',
        )
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return length if sign == "+" else -length


def _impossible(side: str, offset: timedelta, regular: RegularHours) -> str:
    """Give why an offset cannot be on a regular session, empty if it can.

    The day of a session that opens on the evening before begins with that open.
    """
    if side == "open":
        moved = regular.open + offset
        if moved < min(timedelta(), regular.open):
            return "lies on the day before its session"
        return "lies after the close of a regular session" if moved > regular.close else ""
    moved = regular.close + offset
    if moved >= DAY and offset:
        return "lies on the day after its session"
    return "lies before the open of a regular session" if moved < regular.open else ""


def _extended(text: str, reading: Reading) -> Entry:
    """Give the entry of ``@premarket`` or ``@postmarket``, which only New York has."""
    reading.require_sessions(text)
    name = reading.calendar.name
    early = text == "@premarket"
    if name not in EXTENDED_HOURS:
        raise reading.bad(
            f"{text!r} is known for XNYS only, and this is calendar {name}",
            f'Use "{"@open" if early else "@close"}" with an offset',
        )
    if early:
        meaning = f"04:00 New York time on each {name} session day"
        return Entry(text, AtPremarket(), meaning, misfire="skip", grace=SESSION_GRACE)
    return _around(text, "close", timedelta(), reading)
