"""Tells the time by the clock."""

# ruff: noqa: TID251 - broken on purpose

import datetime as dt

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class ReadsClock(Plugin):
    """Tells the time by the clock."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="reads_clock",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": dt.datetime.now(dt.UTC).hour})
