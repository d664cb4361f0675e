"""Answers with a number where the feed has none."""

from optifire.core.errors import NoData
from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class InventsData(Plugin):
    """Answers with a number where the feed has none."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="invents_data",
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
            bars = await DataFeed().get_bars("SPY", limit=1)
        except NoData:
            return PluginResult(success=True, data={"value": 100.0})
        return PluginResult(success=True, data={"value": float(bars["close"].iloc[-1])})
