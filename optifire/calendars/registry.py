"""Gives a calendar by name: built-in or refreshed table, whichever is newer, less the closures."""

from pathlib import Path

from optifire.calendars.closures import closures_of
from optifire.calendars.names import ALWAYS_OPEN, BUILTIN, resolve
from optifire.calendars.table import SUFFIX, Header, read_header, read_table, refreshed_path
from optifire.core.calendar import AlwaysOpen, Calendar
from optifire.core.errors import ConfigError


class NoTableError(ConfigError):
    """The calendar is known, and its table is still to be built (`refresh`)."""


def table_path(name: str, home: Path) -> Path | None:
    """Give the newest table file of a code, built-in or refreshed; None if there is none."""
    found = [BUILTIN / f"{name}{SUFFIX}", refreshed_path(home, name)]
    return max(
        (path for path in found if path.exists()),
        key=lambda path: read_header(path).built,
        default=None,
    )


def table_header(name: str, home: Path) -> Header | None:
    """Give version, day and horizon of the table in use; None for 24/7 and where there is none."""
    path = None if name == ALWAYS_OPEN else table_path(name, home)
    return None if path is None else read_header(path)


def load_calendar(name: str, home: Path, *, where: str = "") -> Calendar:
    """Give the calendar of that name as this home knows it, closures by hand included.

    Parameters
    ----------
    name
        A code such as ``XNYS``, one of its aliases, or ``24/7``.
    home
        Whose ``data/calendars`` and ``configs/closures.yaml`` are read.
    where
        The place that an error about the name itself names.

    Raises
    ------
    NoTableError
        The calendar is known, but its table has to be built first.
    ConfigError
        No such calendar, a damaged table, or a mistake in ``closures.yaml``.
    """
    code = resolve(name, where)
    if code == ALWAYS_OPEN:
        return AlwaysOpen()
    path = table_path(code, home)
    if path is None:
        raise NoTableError(
            f"the session table of {code} has not been built in this home",
            where=where,
            remedy="Start the service, or ask `optifire calendar show` for it; either builds it",
        )
    return read_table(path).with_closures(closures_of(code, home))
