"""``history``: who changed which setting when, from what to what."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from optifire.cli.commands_runs import limit
from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse

    from optifire.cli.output import Output

#: Changes that are shown unless more are asked for.
SHOWN = 50


def history(arguments: argparse.Namespace, output: Output) -> int:
    """List every change of a setting that a service has accepted, the newest first."""
    from optifire.app.history import edits_of
    from optifire.cli.commands_config import versions
    from optifire.cli.house import home_of, note_if_unknown, zone_of
    from optifire.cli.times import local_text

    home = home_of(arguments)
    found = list(islice(edits_of(versions(home), arguments.plugin), arguments.limit))
    if not found:
        note_if_unknown(home, arguments.plugin, output)
    if output.json:
        output.data([edit.as_json() for edit in found])
        return 0
    tz = zone_of(home)
    rows = [
        (local_text(one.at, tz), one.by, one.file, one.key, _text(one.before), _text(one.after))
        for one in found
    ]
    if rows:
        output.table(["accepted", "by", "file", "key", "from", "to"], rows)
    else:
        whose = f"of {arguments.plugin} " if arguments.plugin else ""
        output.line(f"no setting {whose}has been changed since the first start")
    return 0


def _text(value: object) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


COMMANDS = (
    Command(
        ("history",),
        history,
        "Lists who changed which setting, when, from what to what.",
        ("history", "history --plugin alpha_vrp --json"),
        (
            option("--plugin", metavar="ID", help="only changes of this plugin's settings"),
            option("--limit", type=limit, default=SHOWN, metavar="N", help="at most (default: 50)"),
        ),
        "A change is listed once a service has accepted it. Who gave a command is known by name;\n"
        "a file that was edited by hand is told by its owner, where nobody else may write to it.",
    ),
)
