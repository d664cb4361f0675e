"""A service goes on by the market's calendar that it had, whatever becomes of its files."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from optifire.app.joining import Calendars
from optifire.app.rooms import refresh_old
from optifire.calendars.names import BUILTIN
from optifire.calendars.table import SUFFIX, refreshed_path
from optifire.core.errors import StateError
from optifire.core.settings import MarketSettings, Settings
from optifire.host.home import Home, init_home

if TYPE_CHECKING:
    from optifire.app.service import Service


@pytest.fixture
async def calendars(tmp_path: Path) -> Calendars:
    """Give the calendars of a home whose market has been asked for."""
    init_home(tmp_path / "home")
    made = Calendars(Home(tmp_path / "home"))
    await made.market(Settings())
    return made


def damage(root: Path) -> Path:
    """Put half a table there that was built later than the one of the program."""
    path = refreshed_path(root, "XNYS")
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = (BUILTIN / f"XNYS{SUFFIX}").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


async def test_a_market_that_there_is_not_leaves_the_one_before(
    calendars: Calendars, caplog: pytest.LogCaptureFixture
) -> None:
    before = calendars.in_use
    await calendars.follow(replace(Settings(), market=MarketSettings(calendar="NOPE")))
    assert calendars.in_use is before
    assert "no calendar 'NOPE'" in str(calendars.trouble)
    assert "the market's calendar stays as it was" in caplog.text
    await calendars.follow(replace(Settings(), market=MarketSettings(calendar="24/7")))
    assert calendars.in_use.always_open
    assert calendars.trouble is None


async def test_a_damaged_table_leaves_the_one_in_use(calendars: Calendars, tmp_path: Path) -> None:
    before = calendars.in_use
    path = damage(tmp_path / "home")
    calendars.look_again()
    await calendars.follow(Settings())
    assert calendars.in_use is before
    assert "not a whole session table" in str(calendars.trouble)
    path.unlink()
    calendars.look_again()
    await calendars.follow(Settings())
    assert calendars.trouble is None


def test_without_a_first_answer_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nobody has asked"):
        _ = Calendars(Home(tmp_path)).in_use


@dataclass
class Refreshing:
    """A service as far as the refresh of tables asks it; it reloads nothing."""

    calendars: Calendars

    def __post_init__(self) -> None:
        self.catalogs = self


async def test_a_damaged_table_does_not_end_the_refreshing(
    calendars: Calendars, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    damage(tmp_path / "home")
    await refresh_old("XNYS", cast("Service", Refreshing(calendars)))
    assert "the session table in use stays: " in caplog.text
    assert "not a whole session table" in caplog.text
