"""Waits for what never comes."""

import asyncio

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class WaitsForEver(Plugin):
    """Waits for what never comes."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="waits_for_ever",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        await asyncio.Event().wait()
        return PluginResult(success=True, data={"value": 1.0})
