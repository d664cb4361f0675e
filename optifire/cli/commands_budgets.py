"""``budgets``: what runs cost against their budgets, and budgets that follow from that."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from optifire.app.costs import Costs
    from optifire.cli.output import Output

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
    from optifire.app.costs import cost_row
    from optifire.cli.budget_tables import show_costs

    costs = _costs(arguments)
    rows = [cost_row(costs, each) for each in costs.chosen if each in costs.found]
    tell_missing(costs, arguments, output)
    if output.json:
        output.data(rows)
    elif rows:
        show_costs(rows, output)
    return 0


def suggest(arguments: argparse.Namespace, output: Output) -> int:
    """Suggest budgets from what runs used that succeeded."""
    from optifire.cli.advice import advice_row
    from optifire.cli.budget_tables import show_advice

    costs = _costs(arguments, good=True)
    rows = [advice_row(costs, each) for each in costs.chosen if each in costs.found]
    tell_missing(costs, arguments, output)
    if output.json:
        output.data(rows)
    elif rows:
        show_advice(rows, output)
    return 0


def apply(arguments: argparse.Namespace, output: Output) -> int:
    """Write what `suggest` says to features.yaml."""
    from optifire.cli.applying import apply_advice

    costs = _costs(arguments, good=True)
    tell_missing(costs, arguments, output)
    for plugin_id in costs.chosen if arguments.ids else ():
        if plugin_id not in costs.known.catalog.jobs:
            output.note(f"note: {plugin_id} is off, so it has no budget to change")
    return apply_advice(costs, arguments, output)


def _costs(arguments: argparse.Namespace, *, good: bool = False) -> Costs:
    """Read the home, and its ledger or the one that was named."""
    from optifire.app.costs import costs
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import ledger_of, wait_for

    home = home_of(arguments)
    path = ledger_of(home, arguments.db)

    async def read() -> Costs:
        known = await look(home)
        return await costs(known, path, arguments.ids, days=arguments.days, good=good)

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
    Command(
        ("budgets", "suggest"),
        suggest,
        "Suggests budgets: 1.3 times what 99 of 100 runs that succeeded stayed within.",
        ("budgets suggest", "budgets suggest fe_garch --days 90 --json"),
        WHICH,
        "It takes 20 such runs in the kind of worker that the plugin has now; those in the warm\n"
        "workers of a replay do not count. Runs that failed or were stopped do not say what is\n"
        "needed.",
    ),
    Command(
        ("budgets", "apply"),
        apply,
        "Writes the suggested budgets to features.yaml, and shows the difference first.",
        ("budgets apply --dry-run", "budgets apply fe_garch fe_kalman", "budgets apply --yes"),
        (
            *WHICH,
            option("--yes", action="store_true", help="do not ask"),
            option("--dry-run", action="store_true", help="write nothing"),
        ),
        "Nothing else in the file changes. A running service takes it over at once, as a version\n"
        "of the configuration.",
    ),
)
