"""``config``: what holds, how it changed, and back to an earlier version."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from optifire.cli.parser import Command, option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from optifire.cli.output import Output
    from optifire.core.ledger import ConfigVersion
    from optifire.host.home import Home

#: Versions that one look goes back.
MOST_VERSIONS = 1000
#: Characters of a hash that people see.
SHORT = 12


def show(arguments: argparse.Namespace, output: Output) -> int:
    """Print every setting of the system with its source, and the versions that were accepted."""
    from optifire.app.showing import settings_with_sources
    from optifire.cli.house import home_of, zone_of
    from optifire.cli.times import local_text
    from optifire.host.records import instant_text

    home = home_of(arguments)
    values, found = settings_with_sources(home), versions(home)
    if output.json:
        history = [
            {"hash": each.hash, "at": instant_text(each.at), "author": each.author}
            for each in found
        ]
        output.data({"settings": values, "files": texts_of(home), "versions": history})
        return 0
    rows = [(key, each["value"], each["source"]) for key, each in values.items()]
    output.table(["setting", "value", "from"], rows)
    tz = zone_of(home)
    accepted = [(each.hash[:SHORT], local_text(each.at, tz), each.author) for each in found]
    if accepted:
        output.table(["version", "accepted", "by"], accepted)
    output.line("`optifire plugins info ID --config` shows what holds for one plugin")
    return 0


def diff(arguments: argparse.Namespace, output: Output) -> int:
    """Compare two versions, or one with the files as they are."""
    from optifire.cli.house import home_of

    home = home_of(arguments)
    found = versions(home)
    old = chosen(found, arguments.old, home) if arguments.old else _latest(found, home)
    new = chosen(found, arguments.new, home).files if arguments.new else texts_of(home)
    lines = {
        name: difference(name, old.files.get(name, ""), new.get(name, ""))
        for name in sorted({*old.files, *new})
    }
    changed = {name: text for name, text in lines.items() if text}
    if output.json:
        output.data({"ok": True, "changed": list(changed), "from": old.hash, "diff": changed})
        return 0
    for text in changed.values():
        output.line(text.rstrip("\n"))
    if not changed:
        output.line(f"nothing differs from version {old.hash[:SHORT]}")
    return 0


def rollback(arguments: argparse.Namespace, output: Output) -> int:
    """Put the files of an earlier version back, all of them."""
    import shutil

    from optifire.cli.house import ask_service, home_of, note_unwritten, signer_of
    from optifire.host.edit import write_atomically

    home = home_of(arguments)
    sign = signer_of(home)
    found = versions(home)
    asked = arguments.version
    version = _latest(found, home) if asked is None else chosen(found, asked, home)
    now = texts_of(home)
    changed = [name for name, text in version.files.items() if now.get(name) != text]
    extra = [name for name in now if name not in version.files]
    for name in changed + extra:
        if name in now and all(each.files.get(name) != now[name] for each in found):
            shutil.copyfile(home.configs / name, home.configs / f"{name}.bak")
            output.note(f"note: {name} was never accepted; it is kept as {name}.bak")
    for name in changed:
        sign(home.configs / name, version.files[name])
        write_atomically(home.configs / name, version.files[name])
    for name in extra:
        sign(home.configs / name, "")
        (home.configs / name).unlink()
    applied = ask_service(home, "reload") if changed or extra else None
    note_unwritten(applied, output)
    _tell_switch({"ok": True, "changed": changed + extra}, applied, version, output)
    return 0 if applied is None or applied["ok"] else 1


def _tell_switch(
    said: dict[str, Any], applied: dict[str, Any] | None, version: ConfigVersion, output: Output
) -> None:
    errors = applied["errors"] if applied else []
    if output.json:
        restart = applied["restart"] if applied else []
        output.data({**said, "ok": not errors, "errors": errors, "restart": restart})
        return
    for name in said["changed"]:
        output.line(f"restored {name}")
    if not said["changed"]:
        output.line(f"the files are those of version {version.hash[:SHORT]} already")
    for sentence in applied["restart"] if applied else ():
        output.note(f"note: {sentence}")
    for error in errors:
        output.note(f"error: {error}")


def texts_of(home: Home) -> dict[str, str]:
    """Give the configuration files that make up a version, by name; bytes of no text are marked."""
    from optifire.cli.ledgers import environment_of
    from optifire.host.texts import bytes_of

    stems = ("features", f"features.{environment_of(home)}", "config", "closures")
    files = [home.config_file(stem) for stem in stems]
    there = [file for file in files if file is not None and file.exists()]
    return {file.name: bytes_of(file).decode(errors="replace") for file in there}


def versions(home: Home) -> Sequence[ConfigVersion]:
    """Give every accepted version of a home, newest first."""
    from optifire.cli.ledgers import ledger_of, wait_for

    path = ledger_of(home, None)
    return () if path is None else wait_for(_versions(path))


async def _versions(path: Path) -> Sequence[ConfigVersion]:
    from optifire.cli.ledgers import reading

    async with reading(path) as ledger:
        return await ledger.configs(limit=MOST_VERSIONS)


def chosen(found: Sequence[ConfigVersion], prefix: str, home: Home) -> ConfigVersion:
    """Give the version whose hash begins like that.

    Raises
    ------
    ConfigError
        There is none, or several.
    """
    from optifire.core.errors import ConfigError

    hits = {each.hash: each for each in reversed(found) if each.hash.startswith(prefix)}
    if len(hits) == 1:
        return next(iter(hits.values()))
    what = "several versions begin" if hits else "no version begins"
    raise ConfigError(
        f"{what} with {prefix!r}",
        where=str(home.root),
        remedy="`optifire config show` lists them; give more of the hash"
        if hits
        else "`optifire config show` lists them",
    )


def _latest(found: Sequence[ConfigVersion], home: Home) -> ConfigVersion:
    from optifire.core.errors import ConfigError

    if found:
        return found[0]
    raise ConfigError(
        "no version has been accepted in this home yet",
        where=str(home.root),
        remedy="Run `optifire up`; each configuration that a service accepts is kept",
    )


def difference(name: str, old: str, new: str) -> str:
    """Give how a file changed, in the unified form; empty if it did not."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


COMMANDS = (
    Command(
        ("config", "show"),
        show,
        "Prints every setting with its source, and the versions that were accepted.",
        ("config show", "config show --json"),
    ),
    Command(
        ("config", "diff"),
        diff,
        "Compares the files with the version accepted last, or two versions.",
        ("config diff", "config diff 3fa9c1", "config diff 3fa9c1 77b02e"),
        (
            option("old", nargs="?", metavar="OLD", help="a version (default: accepted last)"),
            option("new", nargs="?", metavar="NEW", help="another one (default: the files)"),
        ),
    ),
    Command(
        ("config", "rollback"),
        rollback,
        "Puts an earlier version back, all files of it at once.",
        ("config rollback", "config rollback 3fa9c1"),
        (
            option(
                "version",
                nargs="?",
                metavar="VERSION",
                help="its hash, or the beginning of it (default: accepted last)",
            ),
        ),
        "A running service takes it over within a second.",
    ),
)
