"""Who wrote a configuration file: commands sign what they write, all else is told by its owner.

A command appends one line to ``data/edits.jsonl`` before it writes: when, who, and the hash of the
text. Whoever finds that text in the file knows then who wrote it, also when no service ran. What
nobody has signed was written by hand: by the owner of the file, where no other user (but root) may
write to it; else nobody can tell by whom.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
from contextlib import suppress
from datetime import datetime, timedelta
from grp import getgrgid
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from optifire.host.home import Home

#: How a change came about, where nobody can tell by whom.
BY_FILE: Final = "file"
#: By what people change things.
COMMAND: Final = "command"
#: How much earlier than a version the line of the edit after it may be: who writes it may have
#: been kept from the processor in between.
SLACK: Final = timedelta(seconds=5)
#: Bytes of lines above which they are begun anew when a service starts.
MOST_BYTES: Final = 256 << 10


def sign(home: Home, name: str, text: str, who: str, at: datetime) -> None:
    """Say who is about to write a configuration file of that name and text.

    Who may not write to the data folder of the service is known by the owner of the file alone.
    """
    line = {"at": at.isoformat(), "who": who, "by": COMMAND, "file": name, "sha256": _hash(text)}
    with suppress(PermissionError):
        home.data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(_file(home), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def authors_of(
    home: Home, before: Mapping[str, str], now: Mapping[str, str], since: datetime
) -> str:
    """Give who made these texts of those before, as in ``alice (command)``; empty if none did.

    Parameters
    ----------
    before, now
        The texts of configuration files by name.
    since
        When the earlier ones were accepted.
    """
    signed = list(_lines(home, since - SLACK))
    found = []
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            mine = (each for each in signed if _is_of(each, name, now.get(name, "")))
            latest = next(mine, None)
            found.append(_owner(home.configs / name) if latest is None else _said(latest))
    return ", ".join(dict.fromkeys(found))


def forget_old(home: Home) -> None:
    """Begin the lines anew where there are very many; a service does, once it has looked."""
    file = _file(home)
    if file.exists() and file.stat().st_size > MOST_BYTES:
        file.unlink()


def person(uid: int) -> str:
    """Give the name of a user, as the system has it; else the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _file(home: Home) -> Path:
    return home.data / "edits.jsonl"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(home: Home, since: datetime) -> Iterator[Mapping[str, Any]]:
    """Give the lines since an instant, the latest first; one cut short by a crash says nothing."""
    file = _file(home)
    lines = file.read_bytes().splitlines() if file.exists() else []
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError):
            found = json.loads(line)
            if datetime.fromisoformat(found["at"]) >= since:
                yield found


def _is_of(line: Mapping[str, Any], name: str, text: str) -> bool:
    return line.get("file") == name and line.get("sha256") == _hash(text)


def _said(line: Mapping[str, Any]) -> str:
    return f"{line.get('who')} ({line.get('by')})"


def _owner(file: Path) -> str:
    """Give the one user who may write a file; `BY_FILE` where there are several, or it is gone."""
    try:
        state = file.stat()
    except FileNotFoundError:
        return BY_FILE
    owner = person(state.st_uid)
    shared = state.st_mode & stat.S_IWGRP and not _is_private(state.st_gid, owner)
    if shared or state.st_mode & stat.S_IWOTH:
        return BY_FILE
    return f"{owner} ({BY_FILE})"


def _is_private(gid: int, owner: str) -> bool:
    """Tell whether a group is one user's own: his name, and nobody else in it."""
    try:
        group = getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}
