"""The file that holds one exchange's sessions: a short header, then three plain lists.

The file is gzipped text (``zcat`` shows it). The header names source and version, the day it was
built, and what it covers; the checksum covers everything below the first empty line.
"""

import datetime as dt
import gzip
import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from optifire.core.calendar import RegularHours, Session, SessionTable
from optifire.core.errors import ConfigError

FORMAT = "optifire session table 1"
SUFFIX = ".sessions.gz"
COLUMNS = 3
_GZIP_OS, _UNIX = 9, 3  # RFC 1952, 2.3.1: which byte, and which value
HEADER_KEYS = ("calendar", "tz", "source", "licence", "built", "first", "horizon", "regular")


@dataclass(frozen=True, slots=True)
class Header:
    """What a table says about itself.

    ``source`` names package and version, ``horizon`` is the day on which the table expires.
    """

    calendar: str
    tz: str
    source: str
    licence: str
    built: dt.date
    first: dt.date
    horizon: dt.date
    regular: RegularHours


def format_table(header: Header, sessions: list[Session], closed: dict[dt.date, str]) -> bytes:
    """Give the file for these sessions and named closed days; the same input, the same bytes."""
    rows = (
        f"{row.date} {row.open:%Y-%m-%dT%H:%MZ} {row.close:%Y-%m-%dT%H:%MZ}" for row in sessions
    )
    half = (str(row.date) for row in sessions if row.half_day)
    names = (f"{day} {' '.join(name.split())}" for day, name in sorted(closed.items()))
    body = "\n\n".join("\n".join([title, *lines]) for title, lines in (
        ("sessions", rows), ("half days", half), ("closed", names)
    ))  # fmt: skip
    values = {key: getattr(header, key) for key in HEADER_KEYS}
    values["regular"] = f"{_minutes(header.regular.open)} {_minutes(header.regular.close)}"
    top = [f"{key}: {value}" for key, value in values.items()]
    text = "\n".join([FORMAT, *top, f"sha256: {_digest(body)}", "", body])
    return _packed(text)


def _packed(text: str) -> bytes:
    """Give `text` as gzip without a time or a name, so that equal text is equal bytes."""
    header = bytearray(gzip.compress(text.encode(), mtime=0))
    header[_GZIP_OS] = _UNIX  # some Pythons name the system, some do not
    return bytes(header)


def read_header(path: Path) -> Header:
    """Give what the table in this file says about itself.

    Raises
    ------
    ConfigError
        The file is not a session table, or not whole.
    """
    return _header(_text(path).partition("\n\n")[0], path)


def read_table(path: Path) -> SessionTable:
    """Give the calendar that the file holds.

    Raises
    ------
    ConfigError
        The file is not a session table, or not whole.
    """
    top, _, body = _text(path).partition("\n\n")
    header = _header(top, path)
    if f"\nsha256: {_digest(body)}" not in top:
        raise _damaged(path, "its checksum does not match")
    sessions, half, closed = (block.split("\n")[1:] for block in body.split("\n\n"))
    cells = " ".join(sessions).split()
    return SessionTable(
        header.calendar,
        header.tz,
        header.first,
        header.horizon,
        header.regular,
        list(map(dt.date.fromisoformat, cells[0::COLUMNS])),
        list(map(datetime.fromisoformat, cells[1::COLUMNS])),
        list(map(datetime.fromisoformat, cells[2::COLUMNS])),
        frozenset(map(dt.date.fromisoformat, half)),
        {dt.date.fromisoformat(line[:10]): line[11:] for line in closed},
    )


def _header(top: str, path: Path) -> Header:
    title, *lines = top.split("\n")
    if title != FORMAT:
        raise _damaged(path, f"it does not begin with {FORMAT!r}")
    values = dict(line.split(": ", 1) for line in lines)
    opens, closes = (timedelta(minutes=int(part)) for part in values["regular"].split())
    return Header(
        calendar=values["calendar"],
        tz=values["tz"],
        source=values["source"],
        licence=values["licence"],
        built=dt.date.fromisoformat(values["built"]),
        first=dt.date.fromisoformat(values["first"]),
        horizon=dt.date.fromisoformat(values["horizon"]),
        regular=RegularHours(opens, closes),
    )


def _text(path: Path) -> str:
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"this is not a whole session table: {why}",
        where=str(path),
        remedy="Delete the file; the service builds it again",
    )


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds()) // 60


def refreshed_path(home: Path, name: str) -> Path:
    """Give the file that holds the refreshed table of an exchange in this home."""
    return home / "data" / "calendars" / f"{name.replace('/', '-')}{SUFFIX}"
