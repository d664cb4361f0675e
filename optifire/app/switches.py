"""Which plugins were switched on and off, one row each, so that absence has a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.core.ledger import NoteRow
from optifire.core.types import PluginId
from optifire.host.authors import authors_of, forget_old

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from optifire.core.ledger import ConfigVersion
    from optifire.host.home import Home

ENABLED, DISABLED = "enabled", "disabled"
#: Who switches on what is on when a service begins, where nobody has changed a file since.
START = "start"


def switch_notes(
    started: Iterable[PluginId], stopped: Iterable[PluginId], now: datetime, author: str
) -> list[NoteRow]:
    """Give the rows of what was switched on and off; `author` is who did it."""
    on = [NoteRow(now, ENABLED, each, f"switched on by {author}") for each in started]
    off = [NoteRow(now, DISABLED, each, f"switched off by {author}") for each in stopped]
    return on + off


def last_switches(notes: Iterable[NoteRow]) -> dict[PluginId, bool]:
    """Give for each plugin whether its latest switch row says on; notes come newest first."""
    found: dict[PluginId, bool] = {}
    for note in notes:
        if note.kind in {ENABLED, DISABLED}:
            found.setdefault(PluginId(note.subject), note.kind == ENABLED)
    return found


def switched_meanwhile(
    was: Mapping[PluginId, bool], jobs: Iterable[PluginId]
) -> tuple[list[PluginId], list[PluginId]]:
    """Give what was switched on, and off, while no service looked."""
    now_on = set(jobs)
    started = sorted(each for each in now_on if not was.get(each, False))
    stopped = sorted(each for each, on in was.items() if on and each not in now_on)
    return started, stopped


def author_since(home: Home, last: ConfigVersion | None, texts: Mapping[str, str]) -> str:
    """Give who has changed the configuration files since a version of them was accepted.

    `START` where nobody has, and where there is no version yet.
    """
    found = "" if last is None else authors_of(home, last.files, texts, last.at)
    forget_old(home)
    return found or START
