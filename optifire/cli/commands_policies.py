"""``pause``, ``resume`` and ``cancel``: what an operator decides about what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse

    from optifire.cli.output import Output
    from optifire.host.home import Home


def pause(arguments: argparse.Namespace, output: Output) -> int:
    """Let nothing more of a plugin, or of all, begin until it is resumed."""
    from optifire.runtime.pauses import PAUSED

    said = _change(arguments, PAUSED)
    if output.json:
        output.data(said)
        return 0
    subject = arguments.id or "everything"
    already = "" if said["changed"] else " already"
    output.line(f"{subject} is paused{already}: {said['paused']}")
    return 0


def resume(arguments: argparse.Namespace, output: Output) -> int:
    """Let a plugin, or all, begin again with the next occurrence."""
    from optifire.runtime.pauses import RESUMED

    said = _change(arguments, RESUMED)
    if output.json:
        output.data(said)
        return 0
    subject = arguments.id or "everything"
    if said["changed"]:
        output.line(f"{subject} is resumed")
    else:
        by = "by itself" if arguments.id else "together"
        output.line(f"{subject} was not paused {by}")
    if arguments.id and said["all"]:
        output.note("note: all plugins are paused; `optifire resume --all` ends that")
    elif not arguments.id and said["alone"]:
        names = ", ".join(said["alone"])
        output.note(f"note: paused by themselves, and still so: {names}")
    return 0


def _change(arguments: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Ask the service, or else write it into the ledger that the next start reads."""
    from optifire.cli.house import ask_service, home_of
    from optifire.core.errors import UsageError
    from optifire.runtime.pauses import PAUSED

    command = "pause" if kind == PAUSED else "resume"
    if arguments.all == (arguments.id is not None):
        raise UsageError(
            "which plugin?" if arguments.id is None else "a plugin's id or --all, not both",
            where=f"optifire {command}",
            remedy="Name one, or say --all",
        )
    home = home_of(arguments)
    which = {"all": True} if arguments.all else {"plugin_id": arguments.id}
    why = arguments.why or ""
    said = ask_service(home, command, **which, who=user(), why=why)
    return said if said is not None else _in_file(home, kind, arguments.id, why)


def _in_file(home: Home, kind: str, plugin_id: str | None, why: str) -> dict[str, Any]:
    from optifire.app.pausing import change_in_file, subject_of
    from optifire.cli.knowledge import look, present
    from optifire.cli.ledgers import wait_for
    from optifire.runtime.pauses import note_of

    async def work() -> dict[str, Any]:
        known = await look(home)
        subject = subject_of(plugin_id, known.catalog)
        note = note_of(kind, subject, await present(known), user(), why)
        return await change_in_file(known.database, note)

    return wait_for(work())


def user() -> str:
    """Give the name of who gives the command, as the system has it; else the number."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


WHICH = (
    option("id", nargs="?", metavar="ID", help="the plugin's id"),
    option("--all", action="store_true", help="all plugins at once"),
    option("--why", metavar="TEXT", help="the reason, recorded and shown wherever asked"),
)

COMMANDS = (
    Command(
        ("pause",),
        pause,
        "Keeps a plugin, or all of them, from running until it is resumed.",
        ('pause alpha_vrp --why "odd data since the open"', "pause --all --json"),
        WHICH,
        "A run that goes on may end, a stream ends, and each occurrence until then is recorded as\n"
        "skipped(paused) and not made up for. It holds over restarts. `run` is not kept from it.",
    ),
    Command(
        ("resume",),
        resume,
        "Lets a paused plugin, or all of them, run again from the next occurrence on.",
        ("resume alpha_vrp", 'resume --all --why "the data is right again"'),
        WHICH,
        "--all ends what `pause --all` began; who was paused by itself stays so, and is named.",
    ),
)
