"""What most commands begin with: the home, its market, and the service that may be running."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optifire.calendars.registry import NoTableError, load_calendar
from optifire.core.errors import ConfigError
from optifire.host.authors import person, sign
from optifire.host.client import ANSWER_WITHIN, NoServiceError, ask
from optifire.host.home import Home, find_home
from optifire.runtime.clock import wall_now

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from optifire.cli.output import Output
    from optifire.core.calendar import Calendar
    from optifire.core.settings import Settings
    from optifire.host.edit import Sign


def home_of(arguments: argparse.Namespace) -> Home:
    """Give the home that a command means.

    Raises
    ------
    ConfigError
        There is none.
    """
    return find_home(getattr(arguments, "home", None), os.environ, Path.cwd())


def home_or_none(arguments: argparse.Namespace) -> Home | None:
    """Give the home, None where none was named and none is here or above."""
    if getattr(arguments, "home", None) or os.environ.get("OPTIFIRE_HOME"):
        return home_of(arguments)
    try:
        return home_of(arguments)
    except ConfigError:
        return None


def tables_of(home: Home | None) -> Path:
    """Give the folder whose session tables and closures hold: the home, else the user's cache."""
    if home is not None:
        return home.root
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "optifire"


def settings_of(home: Home) -> Settings:
    """Give what config.yaml of a home comes to."""
    from optifire.host.config_file import read_settings

    return read_settings(home.config_file("config"))[0]


def note_if_unknown(home: Home, plugin_id: str | None, output: Output) -> None:
    """Say beside an empty answer that no plugin has this id, where the files can be read."""
    from optifire.core.errors import OptifireError
    from optifire.core.types import fold_id
    from optifire.host.catalog import not_found
    from optifire.host.discovery import Scanner
    from optifire.host.features import load_features

    if plugin_id is None:
        return
    try:
        features = load_features(home, os.environ)
        found = Scanner(file=home.cache / "plugins.msgpack").scan(home, features.plugin_paths)
    except OptifireError:
        return  # what is wrong with the files is told where somebody asks for them
    known = [each.plugin_id for each in found.candidates.values()]
    if fold_id(plugin_id) not in {*map(fold_id, known), *features.named}:
        error = not_found(plugin_id, known)
        output.note(f"note: {error.message}. {error.remedy}")


def calendar_of(home: Home | None, name: str | None) -> Calendar:
    """Give a calendar by name, or the home's own; its table is built when there is none yet.

    Raises
    ------
    ConfigError
        There is no such calendar, or its table cannot be built.
    """
    where = "--calendar"
    if name is None:
        where = "market.calendar of config.yaml"
        name = "XNYS" if home is None else settings_of(home).market.calendar
    root = tables_of(home)
    try:
        return load_calendar(name, root, where=where)
    except NoTableError:
        from optifire.calendars.names import resolve
        from optifire.calendars.refresh import refresh_blocking

        refresh_blocking(root, resolve(name), wall_now().date())
        return load_calendar(name, root, where=where)


def zone_of(home: Home) -> str:
    """Give the zone in which a home's times are shown."""
    return settings_of(home).market.tz or calendar_of(home, None).tz


def user() -> str:
    """Give the name of who gives the command, as the system has it; else the number."""
    return person(os.getuid())


def by_user(why: str | None) -> str:
    """Give a reason as it is recorded: who says so, and what they say, in one line."""
    line = " ".join((why or "").split())
    return f"by {user()}: {line}" if line else f"by {user()}"


def signer_of(home: Home) -> Sign:
    """Give what says, of each configuration file that a command writes, who gave the command."""

    def write_down(file: Path, text: str) -> None:
        sign(home, file.name, text, user(), wall_now())

    return write_down


def ask_service(
    home: Home,
    command: str,
    *,
    wait: float | None = ANSWER_WITHIN,
    **fields: object,
) -> Any | None:  # noqa: ANN401 - the wire
    """Give the answer of the service that holds a home, None when there is no service."""
    try:
        return ask(home.socket, command, wait=wait, **fields)
    except NoServiceError:
        return None


def note_unwritten(applied: Mapping[str, Any] | None, output: Output) -> None:
    """Say why the ledger has not yet what a reload has taken over."""
    if applied is not None and applied.get("unwritten"):
        output.note(f"note: {applied['unwritten']}")
