"""``schedule`` and ``calendar``: what words mean and when, and the sessions of a market."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from optifire.cli.output import Output
    from optifire.core.schedule import Schedule

#: Instants that one answer holds at most.
MOST_INSTANTS = 10_000
#: Days that ``calendar show`` covers unless it is told.
SHOWN_DAYS = 30


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


def show(arguments: argparse.Namespace, output: Output) -> int:
    """List sessions and the days closed by name."""
    from optifire.cli.house import calendar_of, home_or_none
    from optifire.cli.times import local_of, parse_date
    from optifire.core.errors import UsageError
    from optifire.host.records import instant_text

    calendar = calendar_of(home_or_none(arguments), arguments.calendar)
    since, until = arguments.since, arguments.until
    first = parse_date(since, "--from") if since else _now().date()
    last = parse_date(until, "--to") if until else first + timedelta(days=SHOWN_DAYS)
    if last < first:
        raise UsageError(
            f"--to {last} lies before --from {first}",
            where="optifire calendar show",
            remedy="Turn them around",
        )
    rows: list[dict[str, Any]] = [
        {
            "date": str(row.date),
            "open": instant_text(row.open),
            "close": instant_text(row.close),
            "half_day": row.half_day,
            "name": "",
        }
        for row in calendar.sessions(first, last)
    ]
    rows += [
        {"date": str(day), "open": None, "close": None, "half_day": False, "name": name}
        for day, name in calendar.holidays(first, last)
    ]
    rows.sort(key=lambda row: row["date"])
    if output.json:
        output.data(rows)
        return 0
    cells = [
        (
            row["date"],
            local_of(row["open"], calendar.tz) or "closed",
            local_of(row["close"], calendar.tz),
            "half day" if row["half_day"] else row["name"],
        )
        for row in rows
    ]
    output.table(["date", "open", "close", ""], cells, title=f"{calendar.name}, {calendar.tz}")
    return 0


def close(arguments: argparse.Namespace, output: Output) -> int:
    """Declare a day closed."""
    from optifire.calendars.closures import add_closure, closures_path
    from optifire.calendars.names import resolve
    from optifire.cli.house import calendar_of, home_of
    from optifire.cli.times import parse_date
    from optifire.core.errors import ConfigError

    home = home_of(arguments)
    date = parse_date(arguments.date, "optifire calendar close")
    calendar = calendar_of(home, arguments.calendar)
    name = resolve(calendar.name)
    if calendar.session_on(date) is None and not dict(calendar.holidays(date, date)):
        raise ConfigError(
            f"{name} has no session on {date} ({date:%A}) anyway",
            where="optifire calendar close",
            remedy=f"See `optifire calendar show --from {date}`",
        )
    changed = add_closure(home.root, date, arguments.why, name=name)
    where = str(closures_path(home.root))
    if output.json:
        output.data({"ok": True, "changed": [where] if changed else []})
    elif changed:
        output.line(f"{name} is closed on {date} ({date:%A}): {arguments.why}")
        output.line(f"written to {where}; a running service applies it within a second")
    else:
        output.line(f"{name} is already declared closed on {date}")
    return 0


CALENDAR = option("--calendar", metavar="CODE", help="a calendar such as XNYS, or 24/7")

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
            CALENDAR,
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
    Command(
        ("calendar", "show"),
        show,
        "Lists sessions, half days and holidays.",
        ("calendar show --from 2018-11-19 --to 2018-11-30", "calendar show --calendar XLON"),
        (
            option("--from", dest="since", metavar="D", help="first date (default: today)"),
            option("--to", dest="until", metavar="D", help="last date (default: 30 days on)"),
            CALENDAR,
        ),
    ),
    Command(
        ("calendar", "close"),
        close,
        "Declares a day closed that the session table does not know to be.",
        ('calendar close 2025-01-09 --why "National day of mourning"',),
        (
            option("date", metavar="DATE", help="the day, as 2025-01-09"),
            option("--why", required=True, metavar="TEXT", help="the reason, shown wherever asked"),
            CALENDAR,
        ),
        "Written to configs/closures.yaml, which a running service watches.",
    ),
)
