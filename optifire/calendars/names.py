"""Names of calendars: what exchange_calendars knows, without importing it."""

import difflib
from functools import cache
from pathlib import Path

from optifire.core.errors import ConfigError

#: Where the data that ships with the package lies.
BUILTIN = Path(__file__).with_name("builtin")
#: One line a calendar: a name, and the name that it is an alias of or itself.
NAMES = BUILTIN / "names.txt"
ALWAYS_OPEN = "24/7"


@cache
def known_names() -> dict[str, str]:
    """Give every calendar name, with the one it stands for (``NYSE`` stands for ``XNYS``)."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    return {name: code for name, _, code in (line.rpartition(" ") for line in lines)}


def resolve(name: str, where: str = "") -> str:
    """Give the calendar's own code for a name or an alias.

    Raises
    ------
    ConfigError
        There is no such calendar; the message offers near names.
    """
    known = known_names()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(near)}?" if near else "Use XNYS, or 24/7 for crypto"
    raise ConfigError(f"there is no calendar {name!r}", where=where, remedy=remedy)
