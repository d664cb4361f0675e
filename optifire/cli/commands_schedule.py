"""``schedule``: what a schedule means, and when it fires next."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.cli.output import Output
    from optifire.core.schedule import Schedule

#: Instants that one answer holds at most.
MOST_INSTANTS = 10_000


def count(text: str) -> int:
    """Read a number of things, from 1 to 10,000."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_INSTANTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_INSTANTS:,}")
    return number


def schedule(arguments: argparse.Namespace, output: Output) -> int:
    """Say what a schedule means and list its next instants."""
    from optifire.cli.house import calendar_of, home_or_none
    from optifire.cli.times import local_text, parse_instant
    from optifire.core.schedule import parse_schedule
    from optifire.host.records import instant_text

    home = home_or_none(arguments)
    calendar = calendar_of(home, arguments.calendar)
    words = arguments.word[0] if len(arguments.word) == 1 else arguments.word
    parsed = parse_schedule(words, calendar=calendar, tz=arguments.tz)
    zone = arguments.tz or calendar.tz
    since = parse_instant(arguments.since, zone, "--from") if arguments.since else _now()
    instants, note = _next(parsed, since, arguments.count)
    texts = [instant_text(each) for each in instants]
    if output.json:
        shape: dict[str, Any] = {
            "word": ", ".join(parsed.words),
            "meaning": parsed.meaning,
            "calendar": calendar.name,
            "tz": zone,
            "instants": texts,
            "warnings": list(parsed.warnings),
            "note": note,
        }
        output.data(shape)
        return 0
    output.line(f"{', '.join(parsed.words)}: {parsed.meaning}")
    output.line(f"calendar {calendar.name}, local times in {zone}\n")
    width = max((len(text) for text in texts), default=0)
    for text, instant in zip(texts, instants, strict=True):
        output.line(f"  {text:{width}}   {local_text(instant, zone)}")
    for remark in filter(None, [*parsed.warnings, note]):
        output.note(f"note: {remark}")
    return 0


def _now() -> datetime:
    from optifire.runtime.clock import wall_now

    return wall_now()


def _next(parsed: Schedule, since: datetime, wanted: int) -> tuple[list[datetime], str]:
    """Give the next instants, and why there are fewer than wanted (empty if there are not).

    Where the session table ends, what it still holds is the answer; an error only if that is
    nothing.
    """
    from optifire.core.calendar import CalendarRangeError

    found: list[datetime] = []
    while len(found) < wanted:
        try:
            due = parsed.next_after(found[-1] if found else since)
        except CalendarRangeError as error:
            if not found:
                raise
            return found, error.message
        if due is None:
            never = "it never fires by itself" if not parsed.timed else "it does not fire again"
            return found, never
        found.append(due.instant)
    return found, ""


COMMANDS = (
    Command(
        ("schedule",),
        schedule,
        "Says what a schedule means, and when it fires next.",
        (
            'schedule "@close-10m" --from 2018-11-22 --count 3',
            'schedule "30 2 * * *" --tz America/New_York --from 2026-03-07',
            "schedule interval_5m@session --json",
        ),
        (
            option("word", nargs="+", metavar="WORD", help="schedule words; a cron line in quotes"),
            option("--calendar", metavar="CODE", help="a calendar such as XNYS, or 24/7"),
            option("--tz", metavar="ZONE", help="IANA zone of cron lines and local times"),
            option(
                "--from",
                dest="since",
                metavar="INSTANT",
                help="list instants strictly after this one (default: now)",
            ),
            option("--count", type=count, default=5, metavar="N", help="how many (default: 5)"),
        ),
        "Instants are printed in UTC and in market time, the first strictly after --from.",
    ),
)
