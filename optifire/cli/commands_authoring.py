"""``plugins create``, ``validate`` and ``test``: for those who write plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from optifire.app.known import Knowledge
    from optifire.cli.output import Output
    from optifire.host.findings import Finding
    from optifire.host.home import Home

#: Where a new plugin goes when no folder of the home's is named.
DEFAULT_FOLDER = "plugins"


def create(arguments: argparse.Namespace, output: Output) -> int:
    """Make a plugin with a test that passes."""
    from optifire.cli.house import home_of
    from optifire.host.scaffold import create_plugin

    home = home_of(arguments)
    paths = _plugin_paths(home)
    folder = _folder(arguments.dir, home, paths)
    folder.mkdir(parents=True, exist_ok=True)
    files = create_plugin(folder, arguments.id, _taken(home, paths))
    listed = folder in paths
    if not listed:
        files = (*files, _register(folder, home))
    if output.json:
        output.data({"ok": True, "changed": [str(file) for file in files]})
        return 0
    for file in files:
        output.line(f"wrote {file}")
    output.line("")
    output.line(f"Test it:       optifire plugins test {arguments.id}")
    output.line(f"Switch it on:  optifire plugins enable {arguments.id}")
    return 0


def _taken(home: Home, paths: list[Path]) -> dict[str, Path]:
    """Give the folder of each plugin there is, by folded id."""
    from optifire.host.discovery import Scanner

    found = Scanner().scan(home, [str(each) for each in paths]).candidates
    return {folded: each.folder for folded, each in found.items()}


def _register(folder: Path, home: Home) -> Path:
    """Add a folder to ``plugin_paths`` of features.yaml and give that file."""
    import os

    from optifire.cli.house import signer_of
    from optifire.host.edit import edit_path
    from optifire.host.features import load_features

    file = home.config_file("features")
    assert file is not None  # noqa: S101 - a home is a folder that has one
    shown = folder.relative_to(home.root) if folder.is_relative_to(home.root) else folder
    paths = [*load_features(home, os.environ, {}).plugin_paths, str(shown)]
    edit_path(file, ("plugin_paths",), paths, signer_of(home))
    return file


def _plugin_paths(home: Home) -> list[Path]:
    import os

    from optifire.host.features import load_features

    return [home.resolve(each) for each in load_features(home, os.environ, {}).plugin_paths]


def _folder(asked: str | None, home: Home, paths: list[Path]) -> Path:
    """Give the folder a new plugin goes into: the one asked for, else the first of the home's."""
    if asked is not None:
        return Path(asked).expanduser().resolve()
    return paths[0] if paths else home.root / DEFAULT_FOLDER


def validate(arguments: argparse.Namespace, output: Output) -> int:
    """Hold one plugin, or all that are on, against the rules."""
    from optifire.cli.findings import tell
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for

    home = home_of(arguments)
    switched = {"plugins": {arguments.id: {"enabled": True}}} if arguments.id else None
    known = wait_for(look(home, command=switched))
    found = list(_validated(known, arguments.id))
    return tell(found, output, well=f"{arguments.id or 'every plugin that is on'}: nothing wrong")


def _validated(known: Knowledge, plugin_id: str | None) -> Iterator[Finding]:
    from optifire.core.errors import NotFoundError
    from optifire.host.validate import Subject
    from optifire.host.validate import validate as hold

    listed = [known.catalog.find(plugin_id)] if plugin_id else list(known.catalog.plugins.values())
    for each in listed:
        if each.candidate is None and plugin_id:
            raise each.error or NotFoundError(f"nobody has {plugin_id}", where=plugin_id)
        if each.candidate is not None and each.enabled:
            yield from hold(Subject(each.candidate, each, known.catalog.jobs.get(each.plugin_id)))


def test(arguments: argparse.Namespace, output: Output) -> int:
    """Run the tests of a plugin in a process of its own."""
    from optifire.cli.house import home_of
    from optifire.cli.knowledge import look
    from optifire.cli.ledgers import wait_for
    from optifire.cli.testing import run_tests
    from optifire.core.errors import NotFoundError

    known = wait_for(look(home_of(arguments)))
    listed = known.catalog.find(arguments.id)
    if listed.candidate is None:
        raise listed.error or NotFoundError(f"nobody has {listed.plugin_id}")
    ended = run_tests(listed.candidate.folder)
    if output.json:
        output.data({"ok": ended.ok, "changed": [], "output": ended.output})
    else:
        output.line(ended.output.rstrip("\n"))
    return 0 if ended.ok else 1


ID = option("id", metavar="ID", help="the plugin's id")

COMMANDS = (
    Command(
        ("plugins", "create"),
        create,
        "Makes a plugin: code that works, a README, and a test that passes.",
        ("plugins create alpha_my_signal", "plugins create alpha_my_signal --dir ~/signals"),
        (
            ID,
            option(
                "--dir",
                metavar="DIR",
                help="the folder it goes into (default: the first of plugin_paths, else plugins)",
            ),
        ),
    ),
    Command(
        ("plugins", "validate"),
        validate,
        "Holds a plugin against the rules, on or off.",
        ("plugins validate alpha_my_signal", "plugins validate --json"),
        (option("id", nargs="?", metavar="ID", help="the plugin's id (default: all that are on)"),),
        "The exit code is 1 if anything found is an error.",
    ),
    Command(
        ("plugins", "test"),
        test,
        "Runs a plugin's tests in a process of their own.",
        ("plugins test fe_garch",),
        (ID,),
    ),
)
