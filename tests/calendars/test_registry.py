"""Which table a home uses, what damaged files say, and closures by hand."""

import datetime as dt
import gzip
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optifire.calendars.closures import LARGEST, add_closure, closures_of, closures_path
from optifire.calendars.names import BUILTIN, resolve
from optifire.calendars.registry import NoTableError, load_calendar, table_header
from optifire.calendars.table import format_table, read_header, read_table, refreshed_path
from optifire.core.calendar import AlwaysOpen, Closure, SessionTable
from optifire.core.errors import ConfigError

XNYS_FILE = BUILTIN / "XNYS.sessions.gz"
MOURNING = dt.date(2026, 11, 24)


def write_closures(home: Path, text: str) -> Path:
    path = closures_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refreshed(home: Path, built: dt.date) -> Path:
    """Write a refreshed table that knows nothing before 2020."""
    table = read_table(XNYS_FILE)
    first = dt.date(2020, 1, 1)
    header = replace(read_header(XNYS_FILE), built=built, first=first)
    rows = list(table.sessions(first, table.horizon))
    path = refreshed_path(home, "XNYS")
    path.parent.mkdir(parents=True)
    path.write_bytes(format_table(header, rows, dict(table.holidays(first, table.horizon))))
    return path


@pytest.mark.parametrize(("days", "first"), [(1, dt.date(2020, 1, 1)), (-1, dt.date(1990, 1, 1))])
def test_the_newer_of_built_in_and_refreshed_table_is_used(
    tmp_path: Path, days: int, first: dt.date
) -> None:
    refreshed(tmp_path, read_header(XNYS_FILE).built + dt.timedelta(days=days))
    assert load_calendar("XNYS", tmp_path).first == first
    header = table_header("XNYS", tmp_path)
    assert header is not None
    assert header.first == first


def test_a_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    table = read_table(XNYS_FILE)
    sessions = list(table.sessions(table.first, table.horizon))
    path = tmp_path / "again.sessions.gz"
    path.write_bytes(format_table(read_header(XNYS_FILE), sessions, dict(table.closed)))
    assert path.read_bytes() == XNYS_FILE.read_bytes()


def test_an_alias_stands_for_its_exchange(tmp_path: Path) -> None:
    assert load_calendar("NYSE", tmp_path).name == "XNYS"
    assert isinstance(load_calendar("24/7", tmp_path), AlwaysOpen)
    assert table_header("24/7", tmp_path) is None


@pytest.mark.parametrize(
    ("name", "remedy"), [("XNYZ", "XNYS"), ("nyse", "NYSE"), ("???", "24/7 for crypto")]
)
def test_an_unknown_calendar_is_refused_with_near_names(name: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"there is no calendar '{name}'")) as caught:
        resolve(name, "features.yaml:9")
    assert remedy in caught.value.remedy
    assert caught.value.where == "features.yaml:9"


def test_a_known_calendar_without_a_table_says_that_it_must_be_built(tmp_path: Path) -> None:
    with pytest.raises(NoTableError, match="XLON has not been built") as caught:
        load_calendar("XLON", tmp_path)
    assert "Start the service" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "does not begin with"),
        (b"not gzip at all", "Not a gzipped file"),
        (XNYS_FILE.read_bytes()[:30_000], "end-of-stream marker"),
        (gzip.compress(b"something else\n\nentirely"), "does not begin with"),
        (
            gzip.compress(
                gzip.decompress(XNYS_FILE.read_bytes()).replace(b"T14:30Z", b"T14:31Z", 1)
            ),
            "checksum does not match",
        ),
    ],
)
def test_a_damaged_table_is_refused_by_name(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "XNYS.sessions.gz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        read_table(path)
    assert caught.value.where == str(path)
    assert "Delete the file" in caught.value.remedy


def test_a_closure_by_hand_closes_the_calendar(tmp_path: Path) -> None:
    assert add_closure(tmp_path, MOURNING, "a day of mourning")
    calendar = load_calendar("XNYS", tmp_path)
    assert calendar.session_on(MOURNING) is None
    assert list(calendar.holidays(MOURNING, MOURNING)) == [(MOURNING, "a day of mourning")]
    assert calendar.next_open(datetime(2026, 11, 23, 22, tzinfo=UTC)) == datetime(
        2026, 11, 25, 14, 30, tzinfo=UTC
    )


def test_adding_the_same_closure_again_changes_nothing(tmp_path: Path) -> None:
    assert add_closure(tmp_path, MOURNING, "first reason")
    text = closures_path(tmp_path).read_text(encoding="utf-8")
    assert not add_closure(tmp_path, MOURNING, "second reason", name="NYSE")
    assert closures_path(tmp_path).read_text(encoding="utf-8") == text


WRITTEN = """\
# my own notes
XLON:   # the City
- date: 2026-12-28
  why: a strike

XNYS:
    # storms
    - date:   2026-11-25   # a guess
      why: 'snow'
    - {why: "more: snow", date: 2026-11-27}
# the end
"""


def test_adding_a_closure_keeps_every_other_byte(tmp_path: Path) -> None:
    path = write_closures(tmp_path, WRITTEN)
    path.chmod(0o640)
    assert add_closure(tmp_path, MOURNING, 'said "why": because', name="XNYS")
    assert add_closure(tmp_path, dt.date(2026, 12, 29), "flood", name="XLON")
    assert add_closure(tmp_path, dt.date(2026, 12, 30), "earthquake", name="XTKS")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    added = [line for line in lines if "2026-11-24" in line or "2026-12-29" in line]
    assert added == [
        '- {date: 2026-12-29, why: "flood"}\n',
        '    - {date: 2026-11-24, why: "said \\"why\\": because"}\n',
    ]
    assert "".join(line for line in lines if line not in added) == WRITTEN + (
        'XTKS:\n  - {date: 2026-12-30, why: "earthquake"}\n'
    )
    assert closures_of("XNYS", tmp_path)[0] == Closure(MOURNING, 'said "why": because')
    assert len(closures_of("XNYS", tmp_path)) == 3
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_extended_safely_is_left_alone(tmp_path: Path) -> None:
    path = write_closures(tmp_path, "XNYS: [{date: 2026-11-25, why: snow}]\n")
    with pytest.raises(ConfigError, match="cannot be added to this file as it is written"):
        add_closure(tmp_path, MOURNING, "a storm")
    assert path.read_text(encoding="utf-8") == "XNYS: [{date: 2026-11-25, why: snow}]\n"


@pytest.mark.parametrize("why", ["", "   "])
def test_a_closure_needs_a_reason(tmp_path: Path, why: str) -> None:
    with pytest.raises(ConfigError, match="has no reason"):
        add_closure(tmp_path, MOURNING, why)
    assert not closures_path(tmp_path).exists()


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("- 2026-11-24\n", 1, "not a mapping of calendars"),
        ("# hello\nXNYS: 2026-11-24\n", 2, "are not a list"),
        ("XNYS:\n  - 2026-11-24\n", 2, "exactly the keys date and why"),
        ("XNYS:\n  - {date: 2026-11-24}\n", 2, "exactly the keys date and why"),
        ("XNYS:\n  - {date: 2026-11-24, why: x, who: me}\n", 2, "exactly the keys"),
        ("XNYS:\n  - {date: tomorrow, why: x}\n", 2, "'tomorrow' is not a date"),
        ("XNYS:\n  - {date: 2026-11-24, why: }\n", 2, "has no reason"),
        ("XNYS:\n  - {date: 2026-11-24, why: x}\n  - {date: 2026-11-25 why: x}\n", 3, "not YAML"),
        ("XNYS:\n\nXNYX:\n  - {date: 2026-11-24, why: x}\n", 1, "are not a list"),
        ("XNYX:\n  - {date: 2026-11-24, why: x}\n", 1, "there is no calendar 'XNYX'"),
        ("XNYS:\n  - {date: 2026-02-30, why: x}\n", None, "day is out of range"),
    ],
)
def test_a_mistake_in_the_closures_names_file_and_line(
    tmp_path: Path, text: str, line: int | None, complaint: str
) -> None:
    path = write_closures(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_calendar("XNYS", tmp_path)
    assert complaint in caught.value.message
    assert caught.value.where == (f"{path}:{line}" if line else str(path))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"XNYS: # caf\xe9\n", "is not UTF-8"),
        (b"XNYS: " + b"[" * 2_000, "too deep"),
        (b"#" * (LARGEST + 1), "far too large"),
    ],
    ids=["bytes", "brackets", "size"],
)
def test_closures_that_no_reader_can_hold_are_refused(
    tmp_path: Path, raw: bytes, complaint: str
) -> None:
    write_closures(tmp_path, "").write_bytes(raw)
    with pytest.raises(ConfigError, match=complaint):
        closures_of("XNYS", tmp_path)


def test_a_pipe_in_place_of_the_closures_is_not_waited_for(tmp_path: Path) -> None:
    path = write_closures(tmp_path, "")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a plain file"):
        closures_of("XNYS", tmp_path)


def test_an_empty_file_of_closures_closes_nothing(tmp_path: Path) -> None:
    write_closures(tmp_path, "# nothing yet\n")
    calendar = load_calendar("XNYS", tmp_path)
    assert isinstance(calendar, SessionTable)
    assert list(calendar.opens) == list(read_table(XNYS_FILE).opens)
    assert add_closure(tmp_path, MOURNING, "a storm")
    assert closures_of("XNYS", tmp_path) == [Closure(MOURNING, "a storm")]
