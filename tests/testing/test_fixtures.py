"""The two ways into the kit beside functions: a base class for `unittest`, fixtures for pytest."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from optifire.plugins.alpha_vix_regime.impl import AlphaVixRegime
from optifire.plugins.risk_vol_target.impl import RiskVolTarget
from optifire.testing import Day, PluginHost, PluginTestCase, TestRun


class TestWithUnittest(PluginTestCase):
    """The base class for suites of `unittest`, in plain and ``async`` tests."""

    def test_a_plain_test_looks_at_the_metadata(self) -> None:
        plugin = self.create_plugin(AlphaVixRegime)
        assert isinstance(plugin, AlphaVixRegime)
        self.assertEqual(plugin.metadata.plugin_id, "alpha_vix_regime")  # noqa: PT009 - unittest

    async def test_an_async_test_runs_it(self) -> None:
        run = await self.run_plugin(self.create_plugin(AlphaVixRegime), "2015-08-25T13:30Z")
        self.assertEqual(run.outputs["regime"], "crisis")  # noqa: PT009 - as above

    async def test_its_settings_go_with_it(self) -> None:
        plugin = self.create_plugin(RiskVolTarget, config={"target": 0.1, "floor": 0.1})
        run = await self.run_plugin(plugin, data={"vol_forecast": 0.2})
        self.assertAlmostEqual(run.outputs["vol_multiplier"], 0.5)  # noqa: PT009 - as above


@pytest.mark.row("A110")
def test_the_base_class_works_under_unittest_itself(tmp_path: Path) -> None:
    suite = tmp_path / "test_mine.py"
    suite.write_text(
        "from optifire.plugins.alpha_vix_regime.impl import AlphaVixRegime\n"
        "from optifire.testing import PluginTestCase\n\n\n"
        "class TestMine(PluginTestCase):\n"
        "    def test_metadata(self):\n"
        "        plugin = self.create_plugin(AlphaVixRegime)\n"
        "        self.assertEqual(plugin.metadata.category, 'alpha')\n\n"
        "    async def test_run(self):\n"
        "        run = await self.run_plugin(self.create_plugin(AlphaVixRegime))\n"
        "        self.assertTrue(run.ok, str(run))\n",
        encoding="utf-8",
    )
    line = [sys.executable, "-m", "unittest", "test_mine"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr


async def test_the_fixtures_are_there_without_an_import(
    run_plugin: Callable[..., Awaitable[TestRun]],
    plugin_host: type[PluginHost],
    plugin_day: type[Day],
) -> None:
    assert (await run_plugin(AlphaVixRegime)).ok
    async with plugin_host(AlphaVixRegime, start="2018-11-23T18:00Z") as host:
        assert (await host.run()).ok
    async with plugin_day("2018-11-23", AlphaVixRegime) as day:
        assert [run.status for run in await day.end()] == ["succeeded"]


def test_pytest_loads_the_fixtures_without_what_only_runs_need() -> None:
    text = "import sys, optifire.testing.plugin; print(*sorted(sys.modules))"
    line = [sys.executable, "-c", text]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"numpy", "pandas", "apscheduler", "aiosqlite", "yaml", "optifire.runtime.engine"}
    assert loaded & heavy == set()
