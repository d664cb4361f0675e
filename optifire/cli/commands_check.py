"""``graph``, ``lint`` and ``doctor``: who needs whom, and what is wrong."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    from optifire.app.known import Knowledge
    from optifire.cli.output import Output
    from optifire.host.findings import Finding
    from optifire.host.home import Home

#: Sessions that a look for peeking plays at most.
MOST_SESSIONS = 2000
#: How much of the demo's data lies after the sessions played, to be changed.
AFTER_THE_CUT = timedelta(days=30)


def graph(arguments: argparse.Namespace, output: Output) -> int:
    """Show who needs whom, producers before consumers."""
    from optifire.app.graphs import graph_of
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for

    known = wait_for(look(home_of(arguments)))
    shape = graph_of(known.catalog)
    if output.json:
        output.data(shape)
        return 0
    needs: dict[str, list[str]] = {}
    for edge in shape["edges"]:
        mode = "" if edge["mode"] == "value" else f" ({edge['mode']})"
        needs.setdefault(edge["to"], []).append(f"{edge['from']}: {edge['name']}{mode}")
    named = {node["plugin_id"]: ", ".join(node["schedule"]) for node in shape["nodes"]}
    rows = [(each, words, "\n".join(needs.get(each, []))) for each, words in named.items()]
    output.table(["plugin", "schedule", "needs"], rows)
    return 0


def lint(arguments: argparse.Namespace, output: Output) -> int:
    """Say what is wrong or odd about configuration, schedules, plugins and dependencies."""
    from optifire.cli.findings import tell
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for
    from optifire.host.validate import lint as check

    home = home_of(arguments)
    known = wait_for(look(home))
    found = list(check(known.catalog))
    if arguments.lookahead:
        found += _peeking(home, known, arguments.sessions, output)
    on = len(known.catalog.jobs)
    plugins = "1 plugin" if on == 1 else f"{on} plugins"
    return tell(found, output, well=f"{plugins}, nothing wrong")


def _peeking(home: Home, known: Knowledge, sessions: int, output: Output) -> list[Finding]:
    """Play the plugins twice, the second time with all data after the last session changed."""
    from optifire.backtest.lookahead import lookahead, window
    from optifire.cli.ledgers import wait_for

    where = window(known.market, known.configuration.settings.demo.last - AFTER_THE_CUT, sessions)
    if not output.json:
        output.note(f"note: playing {where.first} to {where.last} twice")
    return wait_for(lookahead(home, where))


def count(text: str) -> int:
    """Read a number of sessions, from 1 to 2,000."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_SESSIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_SESSIONS:,}")
    return number


def doctor(arguments: argparse.Namespace, output: Output) -> int:
    """Look at machine, packages, home, ledgers and service."""
    from optifire.cli.doctor import examine
    from optifire.cli.findings import tell
    from optifire.cli.house import home_of
    from optifire.runtime.clock import wall_now

    home = home_of(arguments)
    return tell(examine(home, wall_now()), output, well="all is well")


COMMANDS = (
    Command(
        ("graph",),
        graph,
        "Shows who needs whom.",
        ("graph", "graph --json"),
    ),
    Command(
        ("lint",),
        lint,
        "Says what is wrong or odd about configuration, plugins and schedules.",
        ("lint", "lint --json", "lint --lookahead --sessions 60"),
        (
            option(
                "--lookahead",
                action="store_true",
                help="also find plugins whose outputs change with data of their future",
            ),
            option(
                "--sessions",
                type=count,
                default=20,
                metavar="N",
                help="how many sessions --lookahead plays, twice (default: 20)",
            ),
        ),
        "The exit code is 1 if anything found is an error.",
    ),
    Command(
        ("doctor",),
        doctor,
        "Says whether this machine and this home are fit to run the service.",
        ("doctor", "--home ~/fire doctor --json"),
        (),
        "The exit code is 1 if anything found is an error.",
    ),
)
