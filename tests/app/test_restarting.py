"""What of config.yaml holds at once, and what is said of the rest."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from optifire.app.restarting import RESTART, Restarts, waiting
from optifire.core.settings import CONFIG_FIELDS, DataSettings, DemoSettings, Settings
from optifire.core.settings import SystemSettings as System
from optifire.core.settings_live import AT_ONCE, AT_START

T = datetime(2026, 3, 2, 15, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


def test_each_setting_of_config_yaml_holds_either_at_once_or_from_the_next_start_on() -> None:
    assert not AT_ONCE & AT_START
    assert {setting.key for setting in CONFIG_FIELDS} == AT_ONCE | AT_START


@pytest.mark.parametrize(
    ("row", "keys"), [("at once", AT_ONCE), ("from the next start on", AT_START)]
)
def test_the_page_for_operators_lists_them(row: str, keys: frozenset[str]) -> None:
    line = re.search(rf"^\| {row} \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert line is not None
    assert re.findall(r"`([^`]+)`", line[1]) == sorted(keys)


def test_a_setting_that_holds_at_once_waits_for_nothing() -> None:
    assert waiting(Settings(), Settings(system=System(log_level="DEBUG"))) == {}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            Settings(system=System(concurrency=4)),
            "system.concurrency needs a restart: the default is in force, 4 comes then",
        ),
        (
            Settings(demo=DemoSettings(first=date(2018, 2, 1))),
            "demo.from needs a restart: 2018-01-29 is in force, 2018-02-01 comes then",
        ),
        (
            Settings(data=DataSettings(aliases={"QQQ": "NDX"})),
            "data.aliases needs a restart: nothing is in force, QQQ: NDX comes then",
        ),
    ],
)
def test_a_setting_that_waits_is_named_with_both_values(settings: Settings, said: str) -> None:
    assert list(waiting(Settings(), settings).values()) == [said]


def test_each_change_of_what_waits_is_one_note_and_a_change_back_ends_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    restarts = Restarts(Settings())
    four = Settings(system=System(concurrency=4))
    notes = restarts.adopt(four, T)
    assert [(note.kind, note.subject) for note in notes] == [(RESTART, "system.concurrency")]
    assert restarts.adopt(replace(four, system=System(concurrency=4, log_mb=7)), T) == []
    assert "5 comes then" in restarts.adopt(Settings(system=System(concurrency=5)), T)[0].text
    assert len(restarts.sentences()) == 1
    assert "no restart is needed" in restarts.adopt(Settings(), T)[0].text
    assert restarts.sentences() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
