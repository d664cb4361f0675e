"""A plugin that keeps failing, as a day of the market sees it: the real gate, on virtual time."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from optifire.core.errors import TransientError
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.testing import Asked, Day

#: 10:00 and 19:00 in New York: between them the plugin fails; the market closes at 16:00.
BREAKS = dt.datetime(2018, 11, 21, 15, tzinfo=dt.UTC)
MENDED = dt.datetime(2018, 11, 22, 0, tzinfo=dt.UTC)
DATE = "2018-11-21"


class Bad(Plugin):
    """Fails from ten o'clock on, until seven in the evening."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="bad", version="1", description="Fails for a while", outputs=["figure"]
        )

    def plan(self) -> Mapping[str, Any]:
        return {"schedule": "interval_15m"}

    async def run(self, context: PluginContext) -> PluginResult:
        assert context.now is not None
        if BREAKS <= context.now < MENDED:
            raise RuntimeError("out of order")
        return PluginResult(success=True, data={"figure": 1.0})


class Good(Plugin):
    """Needs what `Bad` makes, no older than half an hour."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(plugin_id="good", version="1", description="Needs a figure")

    def plan(self) -> Mapping[str, Any]:
        needs = [{"needs": "figure", "max_age": "30m"}]
        return {"schedule": "interval_15m", "dependencies": needs}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)


class Watcher(Plugin):
    """Is started by what the host says about other plugins."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="watcher", version="1", description="Watches others", outputs=["heard"]
        )

    def plan(self) -> Mapping[str, Any]:
        return {"triggers": ["plugin_quarantined", "plugin_released"]}

    async def run(self, context: PluginContext) -> PluginResult:
        (event,) = context.events
        return PluginResult(success=True, data={"heard": [event.name, event.source, event.data]})


def at_ten_and(*times: str) -> list[str]:
    return ["10:00", "10:15", "10:30", "10:45", "11:00", *times]


async def test_five_failures_then_refusals_and_trials_from_the_close_on_until_one_succeeds() -> (
    None
):
    async with Day(DATE, Bad) as day:
        await day.end()
        assert day.runs("bad", "failed") == at_ten_and("16:00", "17:00", "18:00")
        refused = [run for run in day.host.runs("bad") if run.status == "refused"]
        good = len(day.runs("bad", "succeeded"))
        assert len(day.host.runs("bad")) == 24 * 4 == 5 + 3 + len(refused) + good
        assert {run.attempts for run in refused} == {0}
        first, later = refused[0], refused[-1]
        assert first.reason == (
            "quarantined: 5 runs in a row went wrong since 2018-11-21T15:00:00Z, the last one: "
            "failed (RuntimeError: out of order); its first occurrence from 2018-11-21T21:00:00Z "
            "on is a trial"
        )
        assert later.reason.startswith("quarantined: 8 runs in a row went wrong since")
        assert "from 2018-11-22T00:00:00Z on is a trial" in later.reason
        assert day.runs("bad", "succeeded")[-20:] == [
            f"{hour}:{minute:02}" for hour in range(19, 24) for minute in (0, 15, 30, 45)
        ]


async def test_a_run_by_hand_is_always_made_and_lifts_when_it_succeeds() -> None:
    class Mended(Bad):
        works = False

        async def run(self, context: PluginContext) -> PluginResult:
            if self.works:
                return PluginResult(success=True, data={"figure": 2.0})
            return await super().run(context)

    async with Day(DATE, Mended) as day:
        await day.advance_to("15:05")
        assert day.last("bad").status == "refused"
        assert (await day.host.run("bad")).status == "failed"
        await day.advance_to("15:20")
        assert day.last("bad").reason.startswith("quarantined: 6 runs in a row")
        Mended.works = True
        assert (await day.host.run("bad")).ok
        await day.advance_to("15:45")
        assert day.runs("bad")[-2:] == ["15:30", "15:45"]


async def test_who_needs_a_value_of_it_goes_on_until_the_last_one_is_too_old() -> None:
    async with Day(DATE, Bad, Good) as day:
        await day.advance_to("18:45")
        assert day.runs("good")[-2:] == ["10:00", "10:15"]
        assert day.last("good").reason == "upstream: bad refused"
        await day.end()
        assert day.runs("good")[-20] == "19:00"


async def test_plugins_hear_of_it_on_the_bus() -> None:
    async with Day(DATE, Bad, Watcher) as day:
        await day.end()
        heard = [run.outputs["heard"] for run in day.host.runs("watcher")]
        assert [run.due.hour for run in day.host.runs("watcher")] == [16, 0]
        held, released = heard
        assert held[:2] == ["plugin_quarantined", "host"]
        assert released[:2] == ["plugin_released", "host"]
        assert held[2]["plugin_id"] == released[2]["plugin_id"] == "bad"
        assert (held[2]["failures"], released[2]["failures"]) == (5, 8)
        assert released[2]["reason"] == "bad@20181122T000000Z succeeded"


async def test_retries_of_one_run_count_once() -> None:
    class Flaky(Bad):
        async def run(self, context: PluginContext) -> PluginResult:
            raise TransientError("nobody answers")

    asked = Asked(features={"bad": {"retries": 2, "schedule": "@hourly"}})
    async with Day(DATE, Flaky, asked=asked) as day:
        await day.advance_to("04:30")
        assert [run.attempts for run in day.host.runs("bad")] == [3] * 5
        await day.advance_to("05:30")
        assert day.runs("bad", "failed")[-1] == "05:00"
