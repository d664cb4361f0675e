"""``budgets``: what runs cost against their budgets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from optifire.cli.budgets import Costs
    from optifire.cli.output import Output
    from optifire.core.run import RunStatus

#: Days that one look goes back at most: a century.
MOST_DAYS = 36_525


def days(text: str) -> int:
    """Read a number of days, from 1 to 36,525."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_DAYS:,}")
    return number


def show(arguments: argparse.Namespace, output: Output) -> int:
    """Show what runs used, against budget and limit."""
    from optifire.cli.budget_tables import show_costs
    from optifire.cli.budgets import cost_row

    costs = _costs(arguments)
    rows = [cost_row(costs, each) for each in costs.chosen if each in costs.found]
    tell_missing(costs, arguments, output)
    if output.json:
        output.data(rows)
    elif rows:
        show_costs(rows, output)
    return 0


def _costs(arguments: argparse.Namespace, status: RunStatus | None = None) -> Costs:
    """Read the home, and its ledger or the one that was named."""
    from optifire.cli.budgets import costs
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import ledger_of, wait_for

    home = home_of(arguments)
    path = ledger_of(home, arguments.db)

    async def read() -> Costs:
        known = await look(home)
        return await costs(known, path, arguments.ids, days=arguments.days, status=status)

    return wait_for(read())


def tell_missing(costs: Costs, arguments: argparse.Namespace, output: Output) -> None:
    """Say which of the plugins that were asked for have no runs, or that none has."""
    when = f" in the last {arguments.days} days of the ledger" if arguments.days else " yet"
    missing = [each for each in costs.chosen if each not in costs.found]
    if not costs.found:
        output.note(f"note: nothing has run{when}; `optifire up` starts the service")
    elif missing:
        output.note(f"note: {', '.join(missing)} did not run{when.replace(' yet', '')}")


WHICH = (
    option("ids", nargs="*", metavar="ID", help="only these plugins (default: all that ran)"),
    option("--days", type=days, metavar="N", help="only the last N days of the ledger"),
    option("--db", metavar="FILE", help="read this ledger, live or replayed"),
)

COMMANDS = (
    Command(
        ("budgets", "show"),
        show,
        "Shows what runs used of processor time and memory, against budget and limit.",
        ("budgets show", "budgets show fe_garch --days 30", "budgets show --db replay.db --json"),
        WHICH,
    ),
)
