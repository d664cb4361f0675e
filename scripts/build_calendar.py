"""Build the session table that ships with the package, and the list of calendar names.

``build_calendar.py --today 2026-11-20`` writes both; ``build_calendar.py --check`` builds them
again as of the day in the header and says whether they differ from what is checked in.
"""

import argparse
import datetime as dt
import sys
from pathlib import Path

import exchange_calendars

from optifire.calendars.exchange import build
from optifire.calendars.names import BUILTIN, NAMES
from optifire.calendars.table import SUFFIX, read_header

BUILT_IN = "XNYS"


def names() -> str:
    """Give every name that exchange_calendars knows, with what an alias stands for."""
    aliases = exchange_calendars.aliases_to_names()
    known = exchange_calendars.get_calendar_names(include_aliases=True)
    return "".join(f"{name} {aliases.get(name, name)}\n" for name in known)


def wanted(today: dt.date) -> dict[Path, bytes]:
    """Give the content of each file as of that day."""
    return {
        BUILTIN / f"{BUILT_IN}{SUFFIX}": build(BUILT_IN, today),
        NAMES: names().encode(),
    }


def main() -> int:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    wish = parser.add_mutually_exclusive_group(required=True)
    wish.add_argument("--today", type=dt.date.fromisoformat)
    wish.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    if asked.check:
        files = wanted(read_header(BUILTIN / f"{BUILT_IN}{SUFFIX}").built)
        stale = [path for path, content in files.items() if path.read_bytes() != content]
        print("\n".join(f"{path} differs" for path in stale) or "up to date")
        return bool(stale)
    for path, content in wanted(asked.today).items():
        path.write_bytes(content)
        print(f"{path}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
