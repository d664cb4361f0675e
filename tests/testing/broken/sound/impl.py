"""Holds to every rule: what the others are compared with."""

from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Sound(Plugin):
    """Holds to every rule: what the others are compared with."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="sound",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        bars = await DataFeed().get_bars("SPY", limit=2)
        return PluginResult(success=True, data={"value": float(bars["close"].iloc[-1])})
