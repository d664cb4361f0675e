"""Data changed after an instant looks the same to whoever asks before it."""

import json
import subprocess
import sys

SCRIPT = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from optifire.calendars.registry import load_calendar
from optifire.data.shift import shift_after
from optifire.data.source import BarSource

at = datetime(2018, 6, 29, 20, tzinfo=UTC)
if sys.argv[1] == "shifted":
    shift_after(int(at.timestamp() * 1_000_000))
source = BarSource(None, load_calendar("XNYS", Path("/nonexistent")))
later = datetime(2018, 7, 31, 20, tzinfo=UTC)
print(json.dumps([list(source.bars("SPX", asof=when, limit=5)["close"]) for when in (at, later)]))
"""


def closes(how: str) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
    )
    found: list[list[float]] = json.loads(done.stdout)
    return found


def test_what_was_known_by_then_stays_and_what_came_later_changes() -> None:
    plain, shifted = closes("plain"), closes("shifted")
    assert plain[0] == shifted[0]
    assert all(there * 1.5 + 1 == other for there, other in zip(plain[1], shifted[1], strict=True))
