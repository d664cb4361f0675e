"""``init``, ``up`` and ``status``: make a home, run its service, ask how it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option
from optifire.core.errors import ConfigError, UnfitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.cli.output import Output
    from optifire.core.ledger import ContextValue
    from optifire.host.home import Home

#: Most seconds between two instants of the demo.
SLOWEST = 3600.0
#: The exit code of `up` when starting it again is of no use (RestartPreventExitStatus of the unit).
NO_RESTART = 2


def pace(text: str) -> float:
    """Read a pace in seconds, from 0 to an hour."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= SLOWEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return seconds


def init(arguments: argparse.Namespace, output: Output) -> int:
    """Make a new home."""
    from pathlib import Path

    from optifire.host.home import init_home

    folder = Path(arguments.dir).expanduser().resolve()
    files = [str(file) for file in init_home(folder)]
    if output.json:
        output.data({"ok": True, "changed": files})
        return 0
    for file in files:
        output.line(f"wrote {file}")
    output.line(f"\nStart it with: optifire --home {arguments.dir} up")
    return 0


def up(arguments: argparse.Namespace, output: Output) -> int:
    """Run the service of a home until it is told to stop.

    Exit code 2 says that starting it again is of no use until a person has done something.
    """
    from optifire.cli.house import home_of
    from optifire.cli.ledgers import wait_for
    from optifire.cli.serving import Wanted, serve

    home = home_of(arguments)
    screen = not (arguments.no_view or output.json) and output.stdout.isatty()
    wanted = Wanted(fresh=arguments.fresh, pace=arguments.pace, screen=screen)
    try:
        wait_for(serve(home, wanted, output))
    except (ConfigError, UnfitError) as error:
        output.error(error)
        return NO_RESTART
    return 0


def status(arguments: argparse.Namespace, output: Output) -> int:
    """Say how the service of a home is; without one, how things stand in its files."""
    from optifire.cli.house import ask_service, calendar_of, home_of, settings_of
    from optifire.cli.ledgers import wait_for

    home = home_of(arguments)
    said = ask_service(home, "status")
    if said is None:
        said = wait_for(_stopped(home))
    if output.json:
        output.data(said)
        return 0
    from optifire.cli.scene import with_view
    from optifire.cli.view import render

    settings = settings_of(home)
    market = calendar_of(home, None)
    width = min(output.console().width, WIDEST)
    lines = FRAME + 2 * max(len(said["plugins"]), 1)
    scene = with_view(said, market, settings.market.tz or market.tz, settings.demo)
    output.show(render(scene, (width, lines)))
    return 0


#: Columns of a status that does not go to a terminal, and lines that are not plugins.
WIDEST, FRAME = 120, 7


async def _stopped(home: Home) -> dict[str, Any]:
    """Give the status of a home that no service holds."""
    from datetime import timedelta

    from optifire.app.status import RunBoard, plugins_of
    from optifire.cli.knowledge import look, paused, present, quarantined
    from optifire.cli.ledgers import reading
    from optifire.core.ledger import RunFilter
    from optifire.core.types import PluginId
    from optifire.host.records import instant_text
    from optifire.runtime.planner import Planner
    from optifire.workers.wire import to_json

    known = await look(home)
    now = await present(known)
    market = known.configuration.settings.market
    board = RunBoard((), {})
    values: Sequence[ContextValue] = ()
    if known.database.exists():
        async with reading(known.database) as ledger:
            last = [
                row
                for plugin_id in known.catalog.jobs
                for row in await ledger.runs(RunFilter(plugin_id=plugin_id, limit=1))
            ]
            counts = await ledger.statuses()
            values = await ledger.context()
        board = RunBoard(last, {PluginId(each): found for each, found in counts.items()})
    ahead = Planner(known.catalog.jobs.values(), start=now).upcoming(now + timedelta(days=8), 20)
    small = {each.name: to_json(each.value) for each in values if each.name == each.key}
    return {
        "state": "stopped",
        "environment": known.catalog.environment.value,
        "recorded": known.recorded,
        "now": instant_text(now),
        "health": {"level": "red", "reasons": ["no service is running in this home"]},
        "restart": [],
        "running": [],
        "next": [
            {"plugin_id": each.plugin_id, "due": instant_text(each.due), "trigger": each.trigger}
            for each in ahead
        ],
        "plugins": plugins_of(
            known.catalog, board, quarantined=await quarantined(known), pauses=await paused(known)
        ),
        "context": {name: value for name, value in small.items() if is_small(value)},
        "market": {"calendar": market.calendar, "tz": market.tz},
    }


def is_small(value: object) -> bool:
    """Tell whether a value is a number, a short text, true, false or nothing."""
    return not isinstance(value, dict | list) and len(str(value)) <= 64  # noqa: PLR2004


COMMANDS = (
    Command(
        ("init",),
        init,
        "Makes a home: a folder with configs and data.",
        ("init ~/fire", "init /srv/fire --json"),
        (option("dir", metavar="DIR", help="the folder; nothing in it is overwritten"),),
    ),
    Command(
        ("up",),
        up,
        "Runs the service until Ctrl-C or SIGTERM.",
        ("up", "--home ~/fire up --fresh --pace 0.1", "up --no-view"),
        (
            option("--fresh", action="store_true", help="forget this environment's ledger first"),
            option(
                "--pace",
                type=pace,
                metavar="S",
                help="real seconds between two instants of the demo, at least",
            ),
            option("--no-view", action="store_true", help="print log lines, not the live screen"),
        ),
        "On a terminal it shows a live screen, elsewhere log lines. The demo goes on where it\n"
        "stopped, and stays up with a summary after its last session. Exit code 2 also says that\n"
        "configuration or ledger need a person first: starting it again is of no use.",
    ),
    Command(
        ("status",),
        status,
        "Says how the service is: what runs, what is next, and what each plugin costs.",
        ("status", "--home ~/fire status --json"),
    ),
)
