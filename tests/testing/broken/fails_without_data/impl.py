"""Fails where the feed has nothing."""

from optifire.core.errors import NoData
from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class FailsWithoutData(Plugin):
    """Fails where the feed has nothing."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="fails_without_data",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        try:
            closes = list((await DataFeed().get_bars("SPY", limit=1))["close"])
        except NoData:
            closes = []
        return PluginResult(success=True, data={"value": closes[-1]})
