"""``configs/closures.yaml``: days that somebody declared closed, by calendar.

A session table is made in advance and cannot know that an exchange will close for a day of
mourning. The file looks like this, and is watched while the service runs::

    XNYS:
      - {date: 2025-01-09, why: "National day of mourning: Jimmy Carter"}
"""

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from optifire.calendars.names import resolve
from optifire.core.calendar import Closure
from optifire.core.errors import ConfigError

#: Is told a file and the text that it is about to have.
Sign = Callable[[Path, str], None]
HEAD = "# Days on which an exchange is closed although its table says otherwise.\n"
#: Bytes of the file, at most: a closure takes some eighty.
LARGEST = 2**20
EXAMPLE = 'Write each closure as {date: 2025-01-09, why: "day of mourning"}'


def unsigned(_: Path, __: str) -> None:
    """Say nothing of who writes."""


def closures_path(home: Path) -> Path:
    """Give the file that holds this home's closures; it need not exist."""
    return home / "configs" / "closures.yaml"


def closures_of(name: str, home: Path) -> list[Closure]:
    """Give the closures of one calendar, in the order of the file.

    Raises
    ------
    ConfigError
        The file is not as described above; the message names file and line.
    """
    path = closures_path(home)
    text = _text_of(path)
    return [] if text is None else parse_closures(text, path).get(name, [])


def add_closure(
    home: Path, date: dt.date, why: str, *, name: str = "XNYS", sign: Sign = unsigned
) -> bool:
    """Declare a day closed and say whether that changed the file; all other text stays.

    ``sign`` is told the file and its text just before that is written.

    Raises
    ------
    ConfigError
        No reason is given, there is no such calendar, or the file cannot be read or extended.
    """
    path = closures_path(home)
    code = resolve(name)
    if not why.strip():
        raise ConfigError(
            f"the closure of {code} on {date} has no reason",
            where=str(path),
            remedy='Say why, as in --why "day of mourning"',
        )
    there = _text_of(path)
    text = HEAD if there is None else there
    before = parse_closures(text, path)
    if any(closure.date == date for closure in before.get(code, [])):
        return False
    closure = Closure(date, why.strip())
    changed = _extended(text, code, closure)
    wanted = {**before, code: [closure, *before.get(code, [])]}
    if _parsed_or_none(changed, path) != wanted:
        raise ConfigError(
            f"the closure of {code} on {date} cannot be added to this file as it is written",
            where=str(path),
            remedy=f"Write the closures of {code} as a list, one a line, or add this one by hand",
        )
    sign(path, changed)
    _replace(path, changed)
    return True


def parse_closures(text: str, path: Path) -> dict[str, list[Closure]]:
    """Give the closures that the text lists, by calendar code.

    Raises
    ------
    ConfigError
        The text is not as described above; the message names file and line.
    """
    document = _document(text, path)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _wrong(path, 0, "the file is not a mapping of calendars to closures")
    found: dict[str, list[Closure]] = {}
    for name, rows in document.items():
        line = document.lc.key(name)[0]  # type: ignore[attr-defined]  # ruamel's own mapping
        code = resolve(str(name), where=f"{path}:{line + 1}")
        found.setdefault(code, []).extend(_rows(rows, path, line))
    return found


def _rows(rows: object, path: Path, line: int) -> Iterator[Closure]:
    if not isinstance(rows, list):
        raise _wrong(path, line, "a calendar's closures are not a list")
    for index, row in enumerate(rows):
        at = rows.lc.item(index)[0]  # type: ignore[attr-defined]  # ruamel's own sequence
        if not isinstance(row, dict) or set(row) != {"date", "why"}:
            raise _wrong(path, at, "a closure has exactly the keys date and why")
        date, why = row["date"], row["why"]
        if type(date) is not dt.date:
            raise _wrong(path, at, f"{date!r} is not a date")
        if not isinstance(why, str) or not why.strip():
            raise _wrong(path, at, f"the closure of {date} has no reason")
        yield Closure(date, why.strip())


def _text_of(path: Path) -> str | None:
    """Give what the file holds, None where there is none."""
    try:
        found = path.stat()
        if not path.is_file() or found.st_size > LARGEST:
            raise _wrong(path, None, "is not a plain file, or far too large")
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _wrong(path, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise _wrong(path, None, "is not UTF-8") from None


def _document(text: str, path: Path) -> Any:  # noqa: ANN401 - what a file may hold
    from ruamel.yaml import YAML  # late: most homes have no closures
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise _wrong(path, mark.line if mark else None, f"not YAML: {error.problem}") from error
    except ValueError as error:  # a date such as 2025-02-30
        raise _wrong(path, None, str(error)) from error
    except RecursionError:
        raise _wrong(path, None, "mappings and lists lie too deep in each other") from None


def _parsed_or_none(text: str, path: Path) -> dict[str, list[Closure]] | None:
    try:
        return parse_closures(text, path)
    except ConfigError:
        return None  # the caller compares, and says what to do


def _extended(text: str, code: str, closure: Closure) -> str:
    """Give the text with one more closure: above the calendar's others, else at the end."""
    item = f"- {{date: {closure.date}, why: {json.dumps(closure.why, ensure_ascii=False)}}}\n"
    lines = text.splitlines(keepends=True)
    document = _document(text, Path())
    for name in document or ():
        if resolve(str(name)) == code and document[name]:
            row, column = document[name].lc.item(0)
            dash = lines[row].rfind("-", 0, column)
            return "".join([*lines[:row], " " * dash, item, *lines[row:]])
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{end}{code}:\n  {item}"


def _replace(path: Path, text: str) -> None:
    """Write the file by atomic rename, owner and mode kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    if path.exists():
        kept = path.stat()
        shutil.copymode(path, partial)
        if (kept.st_uid, kept.st_gid) != (partial.stat().st_uid, partial.stat().st_gid):
            os.chown(partial, kept.st_uid, kept.st_gid)
    partial.replace(path)


def _wrong(path: Path, line: int | None, what: str) -> ConfigError:
    """Give the error; lines count from 0, and None is a place that the parser does not tell."""
    where = str(path) if line is None else f"{path}:{line + 1}"
    return ConfigError(what, where=where, remedy=EXAMPLE)
