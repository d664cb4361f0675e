"""Building session tables: the built-in one against its source, and other exchanges' oddities."""

import datetime as dt
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

import exchange_calendars
import pytest

from optifire.calendars.exchange import build
from optifire.calendars.names import BUILTIN, known_names
from optifire.calendars.refresh import refresh, refresh_blocking
from optifire.calendars.registry import load_calendar
from optifire.calendars.table import read_header, read_table
from optifire.core.calendar import SessionTable
from optifire.core.errors import ConfigError
from optifire.core.schedule import parse_schedule

XNYS_FILE = BUILTIN / "XNYS.sessions.gz"
TODAY = dt.date(2026, 11, 20)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def built(name: str, folder: Path) -> SessionTable:
    path = folder / "table.sessions.gz"
    path.write_bytes(build(name, TODAY))
    return read_table(path)


def test_the_built_in_table_is_what_its_source_says() -> None:
    table = read_table(XNYS_FILE)
    cal = exchange_calendars.get_calendar("XNYS", start="1990-01-01", end=str(table.horizon))
    assert list(table.dates) == list(cal.sessions.date)
    assert list(table.opens) == [each.to_pydatetime() for each in cal.opens.dt.tz_convert(UTC)]
    assert list(table.closes) == [each.to_pydatetime() for each in cal.closes.dt.tz_convert(UTC)]
    assert table.half_days == frozenset(cal.early_closes.date)


def test_the_built_in_table_states_source_licence_and_horizon() -> None:
    header = read_header(XNYS_FILE)
    assert header.source.startswith("exchange_calendars ")
    assert (header.calendar, header.tz, header.licence) == (
        "XNYS",
        "America/New_York",
        "Apache-2.0",
    )
    assert header.first == dt.date(1990, 1, 1)
    assert (header.horizon - header.built).days > 2 * 365


def test_building_twice_gives_the_same_bytes() -> None:
    assert build("XNYS", TODAY) == build("XNYS", TODAY)


def test_an_exchange_that_opens_on_the_evening_before_keeps_its_instants(tmp_path: Path) -> None:
    table = built("CMES", tmp_path)
    session = table.session_on(dt.date(2024, 3, 12))
    assert session is not None
    assert session.open == datetime(2024, 3, 11, 22, tzinfo=UTC)
    schedule = parse_schedule("@open+1h", calendar=table)
    due = schedule.next_after(datetime(2024, 3, 11, tzinfo=UTC))
    assert due is not None
    assert due.instant == datetime(2024, 3, 11, 23, tzinfo=UTC)


def test_a_table_is_cut_to_what_the_package_knows(tmp_path: Path) -> None:
    table = built("XBOM", tmp_path)
    bounds = type(exchange_calendars.get_calendar("XBOM"))
    assert table.first == bounds.bound_min().date()
    assert table.horizon == min(bounds.bound_max().date(), dt.date(2029, 12, 31))


def test_premarket_words_are_refused_elsewhere_with_another_word(tmp_path: Path) -> None:
    table = built("XLON", tmp_path)
    with pytest.raises(ConfigError, match=r"'@premarket' is known for XNYS only.*@open"):
        parse_schedule("@premarket", calendar=table)


def test_european_sessions_survive_the_weeks_in_which_only_america_has_summer_time(
    tmp_path: Path,
) -> None:
    brussels = parse_schedule("30 15 * * *", calendar=read_table(XNYS_FILE), tz="Europe/Brussels")
    opens = parse_schedule("@open", calendar=read_table(XNYS_FILE))
    since = datetime(2024, 3, 15, tzinfo=UTC)
    civil, market = brussels.next_after(since), opens.next_after(since)
    assert civil is not None
    assert market is not None
    assert (civil.instant.hour, market.instant.hour) == (14, 13)
    london = built("XLON", tmp_path).session_on(dt.date(2024, 3, 15))
    assert london is not None
    assert london.open == datetime(2024, 3, 15, 8, tzinfo=UTC)


async def test_a_child_builds_a_table_that_the_service_then_reads(tmp_path: Path) -> None:
    path = await refresh(tmp_path, "XLON", TODAY)
    assert path == tmp_path / "data" / "calendars" / "XLON.sessions.gz"
    assert load_calendar("XLON", tmp_path).session_on(dt.date(2026, 11, 20)) is not None
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_build_that_fails_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NOWHERE could not be built") as caught:
        refresh_blocking(tmp_path, "NOWHERE", TODAY)
    assert "exchange_calendars" in caught.value.remedy
    assert list((tmp_path / "data" / "calendars").iterdir()) == []


def test_reading_a_calendar_imports_neither_pandas_nor_the_package(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from optifire.calendars.registry import load_calendar\n"
        f"load_calendar('XNYS', pathlib.Path({str(tmp_path)!r}))\n"
        "heavy = ('pandas', 'numpy', 'exchange_calendars', 'ruamel')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_list_of_names_is_the_package_s_own() -> None:
    with warnings.catch_warnings(action="ignore"):
        names = exchange_calendars.get_calendar_names(include_aliases=True)
    assert list(known_names()) == names
    assert known_names()["NYSE"] == "XNYS"
