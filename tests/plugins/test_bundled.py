"""What every bundled plugin must hold to, whichever it is."""

import copy
import datetime as dt
import importlib
import inspect
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import optifire.plugins
from optifire.core.calendar import SessionTable
from optifire.core.errors import NoData
from optifire.core.schedule import parse_schedule
from optifire.data.source import BarSource
from optifire.plugins import Plugin
from optifire.plugins.conftest import Host

FOLDER = Path(optifire.plugins.__file__).parent
IDS = sorted(path.parent.name for path in FOLDER.glob("*/impl.py"))
OPEN = dt.datetime(2018, 2, 6, 14, 30, tzinfo=dt.UTC)
CLOSE = dt.datetime(2018, 2, 6, 21, 0, tzinfo=dt.UTC)
#: Before the first close of the index is known.
BEFORE = dt.datetime(1990, 1, 2, 15, 0, tzinfo=dt.UTC)
#: Where the first ten run, by the head of the library's design.
SCHEDULES = {
    "alpha_cross_asset_corr": "@close",
    "alpha_vix_regime": "@open",
    "alpha_vrp": "@close",
    "fe_entropy": "@close",
    "fe_garch": "@close",
    "fe_kalman": "@close",
    "infra_heartbeat": "interval_1m",
    "infra_psutil_health": "interval_5m",
    "risk_drawdown_derisk": "@close",
    "risk_vol_target": "@close",
}
RECORDED = [each for each in IDS if not each.startswith("infra_")]


def plugin(plugin_id: str) -> Plugin:
    """Make the one plugin that the folder of an id holds."""
    module = importlib.import_module(f"optifire.plugins.{plugin_id}.impl")
    classes = [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Plugin) and each.__module__ == module.__name__
    ]
    assert len(classes) == 1
    made: Plugin = classes[0]()
    return made


def leaves(value: object) -> Iterable[object]:
    """Give every plain value inside one."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def test_the_ten_are_there() -> None:
    assert set(SCHEDULES) <= set(IDS)


@pytest.mark.parametrize("plugin_id", IDS)
def test_metadata_is_whole_and_stable(plugin_id: str) -> None:
    made = plugin(plugin_id)
    metadata = made.describe()
    assert metadata == made.metadata == plugin(plugin_id).metadata
    assert metadata.plugin_id == plugin_id
    assert metadata.category == plugin_id.partition("_")[0]
    assert metadata.outputs
    assert metadata.est_cpu_ms
    assert metadata.est_mem_mb
    assert (metadata.observes == "machine") is (metadata.category == "infra")


@pytest.mark.parametrize("plugin_id", sorted(SCHEDULES))
def test_the_plan_is_the_designed_one_and_parses(plugin_id: str, sessions: SessionTable) -> None:
    plan = plugin(plugin_id).plan()
    assert plan["schedule"] == SCHEDULES[plugin_id]
    assert plan["effect"] == "pure"
    parse_schedule(plan["schedule"], calendar=sessions)


@pytest.mark.parametrize("plugin_id", IDS)
def test_an_input_of_another_plugin_is_an_optional_need(plugin_id: str) -> None:
    made = plugin(plugin_id)
    needs = [need["optional"]["needs"] for need in made.plan()["dependencies"]]
    assert set(needs) == set(made.metadata.inputs)
    outputs = {output for each in IDS for output in plugin(each).metadata.outputs}
    assert set(needs) <= outputs


def test_every_name_that_is_used_has_one_owner() -> None:
    owners = {
        name: [each for each in IDS if name in plugin(each).metadata.outputs]
        for each in IDS
        for name in plugin(each).metadata.inputs
    }
    assert owners == {"vol_forecast": ["fe_garch"], "vol_forecast_21d": ["fe_garch"]}


@pytest.mark.row("O009")
@pytest.mark.parametrize("plugin_id", IDS)
def test_every_folder_has_its_readme_and_its_tests(plugin_id: str) -> None:
    folder = FOLDER / plugin_id
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for output in plugin(plugin_id).metadata.outputs:
        assert f"`{output}`" in readme
    for heading in ("Formula", "Inputs", "Outputs", "When", "Budget", "When it says nothing"):
        assert f"## {heading}" in readme
    assert (folder / "logic.py").exists()
    for name in ("test_logic.py", "test_impl.py"):
        assert "def test_" in (folder / "tests" / name).read_text(encoding="utf-8")


async def run(host: Host, plugin_id: str, now: dt.datetime) -> Mapping[str, Any]:
    """Give what one run of a plugin answers."""
    result = await host.run(plugin(plugin_id), now)
    assert result.success, (result.error, result.skip_reason)
    return result.data


@pytest.mark.parametrize("plugin_id", IDS)
async def test_a_success_holds_every_declared_output(plugin_id: str, host: Host) -> None:
    assert set(plugin(plugin_id).metadata.outputs) <= set(await run(host, plugin_id, CLOSE))


@pytest.mark.parametrize("plugin_id", IDS)
async def test_exactly_the_declared_inputs_are_read(plugin_id: str, host: Host) -> None:
    await run(host, plugin_id, CLOSE)
    assert host.asked == set(plugin(plugin_id).metadata.inputs)


@pytest.mark.parametrize("plugin_id", IDS)
async def test_results_are_plain_and_finite(plugin_id: str, host: Host) -> None:
    for value in leaves(await run(host, plugin_id, CLOSE)):
        assert type(value) in {type(None), bool, int, float, str}
        assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("plugin_id", RECORDED)
async def test_the_same_instant_gives_the_same_answer_to_the_bit(
    plugin_id: str, host: Host
) -> None:
    first = copy.deepcopy(await run(host, plugin_id, CLOSE))
    await run(host, plugin_id, CLOSE + dt.timedelta(days=30))
    assert await run(host, plugin_id, CLOSE) == first


@pytest.mark.parametrize("plugin_id", RECORDED)
async def test_without_data_there_is_no_answer(plugin_id: str, host: Host) -> None:
    with pytest.raises(NoData) as nothing:
        await host.run(plugin(plugin_id), BEFORE)
    assert str(nothing.value)
    assert host.bus.events == []
    assert host.tables.writes == []


EXAMPLE = re.compile(
    r"^As of `(?P<at>[^`]+)`(?P<with> with .*)?, .*\n```json\n(?P<json>[^`]+)```", re.MULTILINE
)


@pytest.mark.parametrize("plugin_id", RECORDED)
async def test_the_example_of_the_readme_is_what_a_run_answers(plugin_id: str, host: Host) -> None:
    shown = EXAMPLE.search((FOLDER / plugin_id / "README.md").read_text(encoding="utf-8"))
    assert shown is not None
    at = dt.datetime.fromisoformat(shown["at"])
    forecast = await run(host, "fe_garch", at) if shown["with"] else {}
    result = await host.run(plugin(plugin_id), at, data=forecast)
    expected = json.loads(shown["json"])
    assert set(expected) == set(result.data)
    for name, value in expected.items():
        exact = value if isinstance(value, str | bool | None) else pytest.approx(value, rel=1e-4)
        assert result.data[name] == exact


class Watching(BarSource):
    """The built-in data, which keeps the instants it was asked about."""

    def __init__(self, source: BarSource) -> None:
        vars(self).update(vars(source))
        self.asked: set[dt.datetime] = set()

    def series(self, key: str, **question: Any) -> pd.Series:
        self.asked.add(question["asof"])
        return super().series(key, **question)

    def closes(self, symbols: Sequence[str], **question: Any) -> pd.DataFrame:
        self.asked.add(question["asof"])
        return super().closes(symbols, **question)

    def bars(self, symbol: str, **question: Any) -> pd.DataFrame:
        self.asked.add(question["asof"])
        return super().bars(symbol, **question)


@pytest.mark.parametrize("plugin_id", RECORDED)
@pytest.mark.parametrize("when", [OPEN, CLOSE])
async def test_data_is_asked_for_as_of_the_instant_of_the_run_alone(
    plugin_id: str, when: dt.datetime, source: BarSource
) -> None:
    watching = Watching(source)
    await Host(watching).run(plugin(plugin_id), when)
    assert watching.asked == {when}


@pytest.mark.parametrize("plugin_id", RECORDED)
async def test_the_data_that_is_read_is_not_changed(
    plugin_id: str, host: Host, source: BarSource
) -> None:
    keys = ["SPX", "VIX", "WTI", "BOND_PROXY"]
    before = {key: source.series(key, asof=CLOSE).copy() for key in keys}
    await run(host, plugin_id, CLOSE)
    for key in keys:
        pd.testing.assert_series_equal(source.series(key, asof=CLOSE), before[key])
