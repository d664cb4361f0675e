"""Goes on when it is told to end."""

# ruff: noqa: TID251 - broken on purpose

import asyncio

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Deaf(Plugin):
    """Goes on when it is told to end."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="deaf",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        for _ in range(2):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                continue
        return PluginResult(success=True, data={"value": 1.0})
