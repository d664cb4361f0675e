"""``calendar``: the sessions of a market, and closures declared by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse

    from optifire.cli.output import Output

SHOWN_DAYS = 30  # that ``calendar show`` covers unless it is told


def show(arguments: argparse.Namespace, output: Output) -> int:
    """List sessions and the days closed by name."""
    from optifire.cli.house import calendar_of, home_or_none
    from optifire.cli.times import local_of, parse_date
    from optifire.core.errors import UsageError
    from optifire.host.records import instant_text
    from optifire.runtime.clock import wall_now

    calendar = calendar_of(home_or_none(arguments), arguments.calendar)
    since, until = arguments.since, arguments.until
    first = parse_date(since, "--from") if since else wall_now().date()
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
    from optifire.cli.house import calendar_of, home_of, signer_of
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
    changed = add_closure(home.root, date, arguments.why, name=name, sign=signer_of(home))
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
