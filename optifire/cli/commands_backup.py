"""``backup`` and ``restore``: copies the ledger of a home, and takes a copy back."""

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


def restore(arguments: argparse.Namespace, output: Output) -> int:
    """Put the ledger of a backup in the place of the home's."""
    from optifire.app.restoring import find_backup
    from optifire.app.restoring import restore as take_back
    from optifire.cli.house import home_of
    from optifire.runtime.clock import wall_now

    home = home_of(arguments)
    folder = find_backup(home, arguments.backup)
    if not (arguments.yes or _agreed(home, folder, output)):
        output.line("nothing was changed")
        return 1
    done = take_back(home, folder, wall_now(), configs=arguments.configs).plain()
    if output.json:
        output.data(done)
        return 0
    output.line(f"{done['changed'][0]} is that of {done['made_at']}: {done['counts']['runs']} runs")
    for each in done["kept"]:
        output.line(f"what was there is {each}")
    return 0


def _agreed(home: Home, folder: Path, output: Output) -> bool:
    """Tell whether a person at a terminal wants this backup, of which the contents are shown."""
    import sys

    from optifire.app.restoring import inspect
    from optifire.core.errors import UsageError

    found = inspect(folder)
    path = home.database(found.environment)
    if output.json or not sys.stdin.isatty():
        raise UsageError(
            "nobody is here to be asked",
            where="optifire restore",
            remedy=f"Say --yes to put the ledger as of {found.made_at} in the place of {path}",
        )
    output.line(f"{folder} is whole: {found.counts['runs']} runs as of {found.made_at}")
    output.stdout.write(f"put it in the place of {path}? [y/N] ")
    output.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


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
    Command(
        ("restore",),
        restore,
        "Puts the ledger of a backup in the place of the home's, and keeps what was there.",
        (
            "restore paper-20181123T220000Z",
            "restore /mnt/usb/paper-20181123T220000Z --configs --yes --json",
        ),
        (
            option("backup", metavar="BACKUP", help="its folder, or its name in data/backups"),
            option("--configs", action="store_true", help="take the configuration files back too"),
            option("--yes", action="store_true", help="do not ask"),
        ),
        "Every file is compared with the manifest first. It is refused while a service is running.",
    ),
)
