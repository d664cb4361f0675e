"""``why`` and ``next``: why something ran or did not, and what is due."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.cli.output import Output
    from optifire.runtime.planner import Upcoming

#: Hours that ``next`` may look ahead.
MOST_HOURS = 24 * 366
#: Occurrences that one answer holds at most.
MOST_COMING = 100_000


def hours(text: str) -> float:
    """Read a number of hours, above 0 and up to a year."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours up to a year")
    return number


def why(arguments: argparse.Namespace, output: Output) -> int:
    """Say when a plugin was last due, what it waited for, how it ended, why, and when next."""
    from optifire.app.reasons import explain
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look, paused, present, quarantined
    from optifire.cli.ledgers import wait_for
    from optifire.cli.reasons import show_reasons
    from optifire.cli.times import parse_instant

    home = home_of(arguments)

    async def answer() -> int:
        known = await look(home)
        at = arguments.at
        when = parse_instant(at, known.tz, "--at", end=True) if at else await present(known)
        held = {} if at else await quarantined(known)
        pauses = None if at else await paused(known)
        found = await explain(known, arguments.id, when, held, pauses)
        if output.json:
            output.data(found)
        else:
            show_reasons(found, known.tz, output)
        return 0

    return wait_for(answer())


def coming(arguments: argparse.Namespace, output: Output) -> int:
    """List what is due in the next hours."""
    from optifire.app.known import last_instant
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look, present
    from optifire.cli.ledgers import wait_for
    from optifire.cli.times import local_text
    from optifire.host.records import instant_text
    from optifire.runtime.planner import Planner

    home = home_of(arguments)

    async def answer() -> int:
        known = await look(home)
        now = await present(known)
        until = min(now + timedelta(hours=arguments.hours), last_instant(known))
        found = Planner(known.catalog.jobs.values(), start=now).upcoming(until, MOST_COMING)
        if output.json:
            output.data(
                [
                    {"plugin_id": e.plugin_id, "due": instant_text(e.due), "trigger": e.trigger}
                    for e in found
                ]
            )
            return 0
        title = f"after {local_text(now, known.tz)}"
        if known.recorded:
            title += " (recorded data)"
        rows = [
            (local_text(first.due, known.tz), first.plugin_id, first.trigger, count)
            for first, count in _grouped(found)
        ]
        output.table(["due", "plugin", "trigger", "times"], rows, title=title)
        return 0

    return wait_for(answer())


def _grouped(found: Sequence[Upcoming]) -> list[tuple[Upcoming, int]]:
    """Give the first occurrence of each plugin and word, and how many there are of it."""
    first: dict[tuple[str, str], Upcoming] = {}
    for each in found:
        first.setdefault((each.plugin_id, each.trigger), each)
    counts: Counter[tuple[str, str]] = Counter((e.plugin_id, e.trigger) for e in found)
    return [(each, counts[key]) for key, each in first.items()]


COMMANDS = (
    Command(
        ("why",),
        why,
        "Says why a plugin ran or did not, and when it is due next.",
        ("why alpha_vix_regime", "why risk_vol_target --at 2018-12-05"),
        (
            option("id", metavar="ID", help="the plugin's id"),
            option("--at", metavar="INSTANT", help="as of this instant; a date is its end"),
        ),
    ),
    Command(
        ("next",),
        coming,
        "Lists what is due next.",
        ("next", "next --hours 72 --json"),
        (option("--hours", type=hours, default=24.0, metavar="H", help="how far (default: 24)"),),
    ),
)
