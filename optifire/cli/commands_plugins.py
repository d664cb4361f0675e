"""``plugins``: list, look at, make, switch, check and test them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from optifire.cli.output import Output
    from optifire.host.catalog import Listed
    from optifire.host.home import Home


def listing(arguments: argparse.Namespace, output: Output) -> int:
    """List every plugin there is, on or off."""
    from optifire.app.plugin_info import row_of
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import lives_of, look, paused, quarantined
    from optifire.cli.ledgers import wait_for

    known = wait_for(look(home_of(arguments), everything=True))
    held, pauses = wait_for(quarantined(known)), wait_for(paused(known))
    lives = wait_for(lives_of(known))
    plugins = known.catalog.plugins.items()
    rows = [row_of(known, folded, listed, held, pauses, lives) for folded, listed in plugins]
    if output.json:
        output.data(rows)
        return 0
    columns = ("plugin_id", "state", "enabled", "category", "version", "origin", "reason")
    titles = ("plugin", "state", "on", *columns[3:])
    output.table(titles, [[row[name] for name in columns] for row in rows])
    return 0


def info(arguments: argparse.Namespace, output: Output) -> int:
    """Show what a plugin says of itself, what holds for it, and where each value comes from."""
    from optifire.app.plugin_info import info_of
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import lives_of, look, paused, quarantined
    from optifire.cli.ledgers import wait_for
    from optifire.cli.plugin_info import show_info

    known = wait_for(look(home_of(arguments), everything=True))
    held, pauses = wait_for(quarantined(known)), wait_for(paused(known))
    lives = wait_for(lives_of(known))
    shape = info_of(known, arguments.id, held, pauses, lives, config=arguments.config)
    if output.json:
        output.data(shape)
    else:
        show_info(shape, known.tz, output)
    return 0


def enable(arguments: argparse.Namespace, output: Output) -> int:
    """Switch a plugin on."""
    return _switch(arguments, output, on=True)


def disable(arguments: argparse.Namespace, output: Output) -> int:
    """Switch a plugin off; those who need it are named first."""
    return _switch(arguments, output, on=False)


def _switch(arguments: argparse.Namespace, output: Output, *, on: bool) -> int:
    """Edit features.yaml, and have a running service read it at once."""
    from optifire.cli.house import ask_service, home_of, signer_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for
    from optifire.core.errors import ConfigError
    from optifire.host.edit import edit_file

    home = home_of(arguments)
    known = wait_for(look(home))
    listed = known.catalog.find(arguments.id)
    if on and listed.candidate is None:
        raise listed.error or ConfigError(
            f"nobody has the plugin {listed.plugin_id}", where=str(home.configs)
        )
    if not on:
        for consumer in known.catalog.graph.consumers_of(listed.plugin_id):
            output.note(f"note: {consumer} needs {listed.plugin_id}")
    file = home.config_file("features")
    if file is None:
        raise ConfigError("there is no features.yaml", where=str(home.configs))
    changed = edit_file(file, listed.plugin_id, ("enabled",), on, signer_of(home))
    applied = ask_service(home, "reload") if changed else None
    if not on and arguments.now:
        _cancel(home, listed.plugin_id, output)
    return _tell_switch(listed, applied, output, on=on, changed=changed)


def _cancel(home: Home, plugin_id: str, output: Output) -> None:
    """End the runs of a plugin that go on in the service."""
    from optifire.cli.house import ask_service

    status = ask_service(home, "status") or {"running": []}
    for each in status["running"]:
        if each["plugin_id"] == plugin_id:
            ask_service(home, "cancel", run_id=each["run_id"], why="switched off")
            output.note(f"note: cancelled {each['run_id']}")


def _tell_switch(
    listed: Listed,
    applied: Mapping[str, Any] | None,
    output: Output,
    *,
    on: bool,
    changed: bool,
) -> int:
    from optifire.cli.house import note_unwritten

    note_unwritten(applied, output)
    errors = [] if applied is None else list(applied["errors"])
    mine = [error for error in errors if listed.plugin_id in error] if on else []
    if output.json:
        done = [listed.plugin_id] if changed else []
        output.data({"ok": not mine, "changed": done, "errors": errors})
        return int(bool(mine))
    word = "on" if on else "off"
    output.line(f"{listed.plugin_id} is {word}" if changed else f"{listed.plugin_id} was {word}")
    if changed and applied is not None:
        output.line("the running service has taken it over")
    for error in errors:
        output.note(f"error: {error}")
    return int(bool(mine))


ID = option("id", metavar="ID", help="the plugin's id")

COMMANDS = (
    Command(
        ("plugins", "list"),
        listing,
        "Lists every plugin there is, on or off.",
        ("plugins list", "plugins list --json"),
    ),
    Command(
        ("plugins", "info"),
        info,
        "Shows what a plugin says of itself and what holds for it.",
        ("plugins info fe_garch", "plugins info fe_garch --config --json"),
        (ID, option("--config", action="store_true", help="each final value with its source")),
    ),
    Command(
        ("plugins", "enable"),
        enable,
        "Switches a plugin on, in features.yaml.",
        ("plugins enable fe_garch",),
        (ID,),
        "Nothing else in the file changes. A running service takes it over at once.",
    ),
    Command(
        ("plugins", "disable"),
        disable,
        "Switches a plugin off, in features.yaml; those who need it are named.",
        ("plugins disable fe_garch", "plugins disable fe_garch --now"),
        (ID, option("--now", action="store_true", help="also cancel its runs that go on")),
        "A run that goes on may end, unless --now is given.",
    ),
)
