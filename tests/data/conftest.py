"""The exchange's sessions and a source of built-in data, made once."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass
class Scratch:
    """A folder of bar files, the source that reads it, and numbers for their names."""

    folder: Path
    source: BarSource
    numbers: Iterator[int]

    def write(self, header: str, lines: Sequence[str]) -> str:
        """Write one more file, unless there are no lines; give its symbol."""
        symbol = f"S{next(self.numbers)}"
        if lines:
            (self.folder / f"{symbol}.csv").write_text("\n".join([header, *lines]) + "\n")
        return symbol


@pytest.fixture(scope="session")
def xnys() -> Calendar:
    return read_table(Path(optifire.calendars.__path__[0]) / "builtin" / "XNYS.sessions.gz")


@pytest.fixture(scope="session")
def market(xnys: Calendar) -> Callable[[], Calendar]:
    """Give the calendar through a function: hypothesis would print the whole table."""
    return lambda: xnys


@pytest.fixture(scope="session")
def sessions(xnys: Calendar) -> Sessions:
    return Sessions.of(xnys)


@pytest.fixture(scope="session")
def builtin(xnys: Calendar) -> BarSource:
    return BarSource(None, xnys)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory, xnys: Calendar) -> Scratch:
    """Give a home for many files, and a source that reads it."""
    home = tmp_path_factory.mktemp("scratch")
    (home / "data" / "bars").mkdir(parents=True)
    return Scratch(home / "data" / "bars", BarSource(home, xnys), itertools.count())


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
