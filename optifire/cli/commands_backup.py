"""``backup``: copies the ledger of a home, also while its service writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from optifire.cli.output import Output
    from optifire.host.home import Home


def backup(arguments: argparse.Namespace, output: Output) -> int:
    """Make a backup, by the service where one is running."""
    from pathlib import Path

    from optifire.cli.house import ask_service, home_of

    home = home_of(arguments)
    into = None if arguments.to is None else Path(arguments.to).expanduser().resolve()
    made = ask_service(home, "backup", wait=None, to="" if into is None else str(into))
    if made is None:
        made = _make_here(home, into)
    if output.json:
        output.data(made)
        return 0
    output.line(f"wrote {made['changed'][0]}")
    size = made["bytes"] / 2**20
    runs = made["counts"]["runs"]
    output.line(f"{made['environment']} as of {made['made_at']}: {runs} runs, {size:.1f} MB")
    for name in made["removed"]:
        output.line(f"removed {name}: backup.keep says how many stay")
    if home.secrets.exists():
        output.note("note: configs/secrets.env is not in it; keep it in another place")
    return 0


def _make_here(home: Home, into: Path | None) -> dict[str, Any]:
    """Copy the files of a home that no service holds."""
    import threading

    from optifire.app.backups import BackupMaker
    from optifire.cli.house import settings_of
    from optifire.cli.ledgers import environment_of
    from optifire.runtime.clock import wall_now

    maker = BackupMaker(home, environment_of(home), settings_of(home).backup.keep)
    return maker.make(wall_now(), threading.Event(), into=into).plain()


COMMANDS = (
    Command(
        ("backup",),
        backup,
        "Copies the ledger, its large values and the configuration, also while the service writes.",
        (
            "backup",
            "backup --to /mnt/usb --json",
        ),
        (
            option(
                "--to",
                metavar="FOLDER",
                help="put it there, where all stay (default: data/backups, where backup.keep do)",
            ),
        ),
        "It is checked from end to end before it gets its name. Secrets in clear text stay out.",
    ),
)
