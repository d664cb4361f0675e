"""The exchange's sessions and a source of built-in data, made once."""

import datetime as dt
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

import optifire.calendars
from optifire.calendars.table import read_table
from optifire.core.calendar import Calendar
from optifire.data.known import Sessions
from optifire.data.source import BarSource

#: Writes lines as ``data/<kind>/<name>`` of a home and gives the home.
Put = Callable[[str, str, Sequence[str]], Path]


@pytest.fixture(scope="session")
def xnys() -> Calendar:
    return read_table(Path(optifire.calendars.__path__[0]) / "builtin" / "XNYS.sessions.gz")


@pytest.fixture(scope="session")
def sessions(xnys: Calendar) -> Sessions:
    return Sessions.of(xnys)


@pytest.fixture(scope="session")
def builtin(xnys: Calendar) -> BarSource:
    return BarSource(None, xnys)


@pytest.fixture(scope="session")
def close_of(xnys: Calendar) -> Callable[[str], datetime]:
    """Give the close of a session by its ISO date."""

    def close(day: str) -> datetime:
        session = xnys.session_on(dt.date.fromisoformat(day))
        assert session is not None
        return session.close

    return close


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(kind: str, name: str, lines: Sequence[str]) -> Path:
        path = tmp_path / "data" / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return tmp_path

    return write
