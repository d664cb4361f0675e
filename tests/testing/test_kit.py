"""The test kit as a plugin author uses it: one run, a host on a virtual clock, a day, fixtures."""

import asyncio
import datetime as dt
import random
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from optifire.core.errors import ConfigError, ContractError, NotFoundError, PluginFault
from optifire.core.logger import logger
from optifire.data.feeds import DataFeed
from optifire.fe.engineering import FeatureEngineer
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.alpha_vix_regime.impl import AlphaVixRegime
from optifire.plugins.fe_garch.impl import FeGarch
from optifire.plugins.infra_heartbeat.impl import InfraHeartbeat
from optifire.plugins.risk_vol_target.impl import RiskVolTarget
from optifire.sdk.context import BusEvent
from optifire.testing import Asked, Day, NoBars, PluginHost, TestRun, run_plugin

Body = Callable[[PluginContext], Awaitable[PluginResult]]
CLOSE = "2018-11-23T18:00Z"


def plugin_of(body: Body, plan: Mapping[str, Any] | None = None, **metadata: Any) -> type[Plugin]:
    """Make a plugin class with one body."""
    said = {"plugin_id": "one", "version": "1", "description": "for a test", **metadata}

    class Made(Plugin):
        def describe(self) -> PluginMetadata:
            return PluginMetadata.create(**said)

        def plan(self) -> Mapping[str, Any]:
            return {"schedule": "@close", **(plan or {})}

        async def run(self, context: PluginContext) -> PluginResult:
            return await body(context)

    return Made


async def nothing(_: PluginContext) -> PluginResult:
    return PluginResult(success=True)


async def test_a_day_goes_by_its_own_clock() -> None:
    async with Day("2018-11-23", AlphaVixRegime) as day:
        await day.advance_to("09:29")
        assert day.runs("alpha_vix_regime") == []
        await day.advance_to("09:31")
        assert day.runs("alpha_vix_regime") == ["09:30"]
        await day.end()
        assert day.runs("alpha_vix_regime", "succeeded") == ["09:30"]
        assert day.last("alpha_vix_regime").outputs["last_bar"] == "2018-11-21"


async def test_a_half_day_closes_early_and_a_holiday_not_at_all() -> None:
    async with Day("2018-11-23", FeGarch) as friday:
        await friday.end()
        assert friday.runs("fe_garch") == ["13:00"]
    async with Day("2018-11-22", FeGarch) as thanksgiving:
        assert await thanksgiving.end() == []


async def test_a_run_leaves_result_rows_and_events() -> None:
    run = await run_plugin(AlphaVixRegime, "2015-08-25T13:30Z")
    assert (run.status, run.reason, run.ok) == ("succeeded", "", True)
    assert run.outputs["regime"] == "crisis"
    assert run.result is not None
    assert run.result.data == run.outputs
    assert [(e.name, e.source) for e in run.events] == [("vix_regime", "alpha_vix_regime")]
    (row,) = run.rows["signals"]
    assert (row["plugin_id"], row["run_id"], row["reason"]) == (
        "alpha_vix_regime",
        run.run_id,
        "crisis",
    )
    assert [sql.split()[2] for sql, _ in run.statements] == ["signals", "features"]
    assert run.inputs["feed:VIX"].as_of == dt.datetime(2015, 8, 24, tzinfo=dt.UTC)


async def test_a_folder_a_class_and_an_instance_are_the_same_plugin() -> None:
    folder = Path(sys.modules[AlphaVixRegime.__module__].__file__ or "").parent
    runs = [await run_plugin(each) for each in (folder, AlphaVixRegime, AlphaVixRegime())]
    assert runs[0].outputs == runs[1].outputs == runs[2].outputs


async def test_needs_are_resolved_among_the_plugins_of_a_host() -> None:
    async with PluginHost(RiskVolTarget, FeGarch, start="2018-11-23T12:00Z") as host:
        runs = await host.advance_to(CLOSE)
        assert [run.plugin_id for run in runs] == ["fe_garch", "risk_vol_target"]
        assert runs[1].outputs["source"] == "fe_garch"
        assert host.context["vol_multiplier"] == runs[1].outputs["vol_multiplier"]
        assert host.now == dt.datetime(2018, 11, 23, 18, tzinfo=dt.UTC)


async def test_given_data_stands_in_for_other_plugins() -> None:
    bare = await run_plugin(RiskVolTarget, data={"vol_forecast": 0.3})
    full = await run_plugin(RiskVolTarget, data={"fe_garch.vol_forecast": 0.3})
    assert bare.outputs["vol_used"] == full.outputs["vol_used"] == 0.3
    assert full.inputs["vol_forecast"].run_id == "fe_garch@20181123T180000Z~manual"


async def test_a_needed_value_that_nobody_gives_is_a_load_error() -> None:
    needy = plugin_of(nothing, {"dependencies": ["regime"]})
    with pytest.raises(PluginFault, match="regime"):
        await run_plugin(needy)
    assert (await run_plugin(needy, data={"regime": "calm"})).ok


@pytest.mark.row("O022")
async def test_given_bars_are_read_as_a_users_own_and_known_at_their_close() -> None:
    async def body(_: PluginContext) -> PluginResult:
        bars = await DataFeed().get_bars("SPY", limit=50)
        last = FeatureEngineer().calculate_returns(bars["close"]).iloc[-1]
        return PluginResult(success=True, data={"rows": len(bars), "last": last})

    days = pd.to_datetime(["2018-11-20", "2018-11-21", "2018-11-23"])
    close = [100.0, 110.0, 121.0]
    frame = pd.DataFrame(
        dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": 1.0}, index=days
    )
    at = await run_plugin(plugin_of(body), CLOSE, bars={"SPY": frame})
    before = await run_plugin(plugin_of(body), "2018-11-23T17:59:59Z", bars={"SPY": frame})
    assert at.outputs == {"rows": 3, "last": pytest.approx(0.1)}
    assert before.outputs["rows"] == 2


async def test_with_no_bars_at_all_the_run_is_skipped_and_says_why() -> None:
    run = await run_plugin(AlphaVixRegime, bars=NoBars())
    assert run.status == "skipped"
    assert run.reason.startswith("no data: ")
    assert run.no_data
    assert (dict(run.outputs), dict(run.rows), list(run.events)) == ({}, {}, [])


async def test_market_data_can_be_given_as_it_is() -> None:
    async def body(context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"rows": len(context.data["market_data"])})

    frame = pd.DataFrame({"close": [1.0, 2.0]})
    given = await run_plugin(plugin_of(body), data={"market_data": frame})
    own = await run_plugin(plugin_of(body))
    assert given.outputs == {"rows": 2}
    assert own.outputs["rows"] > 7000  # every session of the index since 1990


async def test_rows_can_be_there_before() -> None:
    async def body(context: PluginContext) -> PluginResult:
        assert context.db is not None
        shared = await context.db.fetch_all("SELECT plugin_id, value FROM features")
        own = await context.db.fetch_one("SELECT day FROM p_one_days")
        return PluginResult(success=True, data={"shared": shared, "own": own})

    tables: dict[str, list[dict[str, Any]]] = {
        "features": [
            {"plugin_id": "fe_x", "symbol": "SPY", "feature_name": "a", "value": 1.0},
            {"symbol": "SPY", "feature_name": "b", "value": 2.0},
        ],
        "p_one_days": [{"day": "monday"}],
    }
    run = await run_plugin(plugin_of(body), tables=tables)
    assert run.outputs["shared"] == [
        {"plugin_id": "fe_x", "value": 1.0},
        {"plugin_id": "given", "value": 2.0},
    ]
    assert run.outputs["own"] == {"day": "monday"}


async def test_a_declared_output_that_is_missing_is_a_failure_here() -> None:
    incomplete = plugin_of(nothing, outputs=["value"])
    strict = await run_plugin(incomplete)
    assert strict.status == "failed"
    assert "declared outputs are missing: value" in strict.error
    lax = await run_plugin(incomplete, strict=False)
    assert (lax.status, lax.missing) == ("succeeded", ("value",))


async def test_reading_an_undeclared_name_is_a_failure_here() -> None:
    async def body(context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"seen": context.data["regime"]})

    strict = await run_plugin(plugin_of(body), data={"regime": "calm"})
    assert strict.status == "failed"
    assert "regime" in strict.error
    assert (await run_plugin(plugin_of(body), data={"regime": "calm"}, strict=False)).ok
    assert (await run_plugin(plugin_of(body, inputs=["regime"]), data={"regime": "calm"})).ok


async def test_an_error_names_class_message_and_line() -> None:
    async def body(context: PluginContext) -> PluginResult:
        raise ValueError(f"as of {context.now:%Y}")

    run = await run_plugin(plugin_of(body))
    assert (run.status, run.error) == ("failed", "ValueError: as of 2018")
    assert "test_kit.py" in run.traceback
    assert "ValueError" in str(run)


async def test_what_a_run_prints_and_logs_is_in_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    async def body(_: PluginContext) -> PluginResult:
        print("printed")  # noqa: T201 - what is tested
        logger.info("logged")
        return PluginResult(success=True)

    run = await run_plugin(plugin_of(body))
    assert "printed" in run.log
    assert "logged" in run.log
    assert capsys.readouterr().out == ""


async def test_settings_come_from_the_test() -> None:
    async def body(context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"window": context.config.get("window", 20)})

    made = plugin_of(body)
    assert (await run_plugin(made)).outputs == {"window": 20}
    assert (await run_plugin(made, config={"window": 5})).outputs == {"window": 5}
    asked = Asked(config={"one": {"window": 7}}, features={"one": {"schedule": "@open"}})
    async with Day("2018-11-23", made, asked=asked) as day:
        await day.end()
        assert day.runs("one") == ["09:30"]
        assert day.last("one").outputs == {"window": 7}


async def test_settings_of_nobody_are_refused() -> None:
    with pytest.raises(ConfigError, match="no plugin of this test has the id 'two'"):
        async with PluginHost(plugin_of(nothing), start=CLOSE, asked=Asked(config={"two": {}})):
            pass


async def test_a_misspelt_field_of_features_is_refused_with_a_hint() -> None:
    asked = Asked(features={"one": {"schedul": "@open"}})
    with pytest.raises(ConfigError, match="Did you mean schedule"):
        async with PluginHost(plugin_of(nothing), start=CLOSE, asked=asked):
            pass


async def test_published_events_start_who_listens() -> None:
    async def tell(context: PluginContext) -> PluginResult:
        assert context.bus is not None
        await context.bus.publish("said", {"n": context.events[0].data})
        return PluginResult(success=True)

    async def hear(context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"heard": context.events[0].data["n"]})

    teller = plugin_of(tell, {"schedule": "@event", "triggers": ["begin"]}, plugin_id="teller")
    hearer = plugin_of(hear, {"schedule": "@event", "triggers": ["said"]}, plugin_id="hearer")
    async with PluginHost(teller, hearer, start=CLOSE) as host:
        runs = await host.publish("begin", 7)
        assert [(run.plugin_id, run.status) for run in runs] == [
            ("teller", "succeeded"),
            ("hearer", "succeeded"),
        ]
        assert runs[1].outputs == {"heard": 7}
        assert [(e.name, e.data, e.source) for e in host.events] == [("said", {"n": 7}, "teller")]
        again = await host.publish("begin", 8)
        assert [run.outputs for run in again] == [{}, {"heard": 8}]


async def test_a_run_can_be_told_what_started_it() -> None:
    async def body(context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"names": [e.name for e in context.events]})

    run = await run_plugin(plugin_of(body), events=[BusEvent("bell", {"n": 1}, "me")])
    assert run.outputs == {"names": ["bell"]}


async def test_tables_can_be_asked_and_runs_by_hand_repeated() -> None:
    async with PluginHost(AlphaVixRegime, start=CLOSE) as host:
        first, second = await host.run(), await host.run("alpha-vix-regime")
        assert first.run_id != second.run_id
        rows = await host.query("SELECT count(*) AS n FROM signals WHERE symbol = ?", "VIX")
        assert rows == [{"n": 2}]
        assert len(host.runs()) == 2
        with pytest.raises(NotFoundError, match="nobody"):
            await host.run("nobody")


async def test_a_plugin_that_observes_the_machine_runs_here() -> None:
    run = await run_plugin(InfraHeartbeat)
    assert run.ok, run


async def test_chance_is_the_same_each_time_and_that_of_the_test_is_left_alone() -> None:
    async def body(context: PluginContext) -> PluginResult:
        assert context.rng is not None
        drawn = {"own": context.rng.random(), "global": random.getrandbits(64)}
        return PluginResult(success=True, data=drawn)

    before = random.getstate()
    first, second = await run_plugin(plugin_of(body)), await run_plugin(plugin_of(body))
    assert first.outputs == second.outputs
    assert random.getstate() == before


async def test_a_run_that_takes_too_long_is_timed_out() -> None:
    async def body(_: PluginContext) -> PluginResult:
        await asyncio.Event().wait()
        return PluginResult(success=True)

    asked = Asked(features={"one": {"timeout": 0.05}})
    async with PluginHost(plugin_of(body), start=CLOSE, asked=asked) as host:
        assert (await host.run()).status == "timed_out"


async def test_time_never_goes_back_and_an_instant_needs_a_zone() -> None:
    async with PluginHost(plugin_of(nothing), start=CLOSE) as host:
        with pytest.raises(ValueError, match="lies before the present"):
            await host.advance_to("2018-11-22T00:00Z")
    with pytest.raises(ValueError, match="no time zone"):
        PluginHost(plugin_of(nothing), start="2018-11-23T18:00")


async def test_two_plugins_of_one_id_and_what_is_no_plugin_are_refused() -> None:
    with pytest.raises(ContractError, match="two plugins have the id 'one'"):
        async with PluginHost(plugin_of(nothing), plugin_of(nothing), start=CLOSE):
            pass
    with pytest.raises(ContractError, match="no plugin"):
        await run_plugin(TestRun)  # type: ignore[arg-type] # the mistake that is tested


def test_a_host_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        PluginHost(plugin_of(nothing), start=CLOSE).runs()


@pytest.mark.row("O026")
@pytest.mark.parametrize(
    ("category", "seconds"),
    [
        *(("alpha", 60), ("fe", 60), ("risk", 10), ("ml", 600), ("ai", 600), ("exec", 10)),
        *(("ux", 60), ("diag", 60), ("infra", 60), ("of_my_own", 60)),
    ],
)
async def test_every_category_runs_with_its_timeout(category: str, seconds: float) -> None:
    async with PluginHost(plugin_of(nothing, category=category), start=CLOSE) as host:
        assert (await host.run()).ok
        assert host.catalog.find("one").category == category
        (job,) = host.catalog.jobs.values()
        assert job.timeout == seconds
