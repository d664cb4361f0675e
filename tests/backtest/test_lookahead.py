"""A plugin that uses tomorrow's data is found; one that does not is left alone."""

from datetime import date
from pathlib import Path

import pytest

from optifire.backtest.lookahead import lookahead, window
from optifire.calendars.registry import load_calendar
from optifire.host.home import Home

PLUGIN = """
from datetime import timedelta

from optifire.plugins import Plugin, PluginMetadata, PluginResult
from optifire.sdk.scope import current_scope


class Reader(Plugin):
    def describe(self):
        return PluginMetadata(
            plugin_id="{name}", version="1.0.0", description="Reads a close", outputs=["{name}_x"]
        )

    def plan(self):
        return {{"schedule": "@close"}}

    async def run(self, context):
        asof = context.now + timedelta(days={days})
        bars = current_scope().bars.bars("SPX", asof=asof, limit=1)
        return PluginResult(success=True, data={{"{name}_x": bars["close"].iloc[-1]}})
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    entries = []
    for name, days in (("peeks", 4), ("honest", 0)):
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        (folder / "impl.py").write_text(PLUGIN.format(name=name, days=days), encoding="utf-8")
        entries.append(f"  {name}:\n    enabled: true\n")
    (tmp_path / "configs").mkdir()
    (tmp_path / "data").mkdir()
    text = "plugin_paths: [mine]\nplugins:\n" + "".join(entries)
    (tmp_path / "configs" / "features.yaml").write_text(text, encoding="utf-8")
    return Home(tmp_path)


@pytest.mark.row("O065")
async def test_only_the_plugin_that_uses_later_data_is_reported(home: Home) -> None:
    calendar = load_calendar("XNYS", home.root)
    found = await lookahead(home, window(calendar, date(2018, 6, 29), 3))
    assert [(one.rule, one.where, one.level.value) for one in found] == [
        ("lookahead", "peeks", "error")
    ]
    assert "peeks_x" in found[0].message
    assert "2018-06-29T20:00:00Z" in found[0].message


def test_the_window_ends_with_the_last_session_on_or_before_its_date(tmp_path: Path) -> None:
    calendar = load_calendar("XNYS", tmp_path)
    where = window(calendar, date(2018, 7, 1), 3)
    assert (where.first, where.last) == (date(2018, 6, 27), date(2018, 6, 29))
    assert where.cut.isoformat() == "2018-06-29T20:00:00+00:00"
