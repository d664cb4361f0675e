"""Draws other numbers each time."""

import random

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class RandomNumbers(Plugin):
    """Draws other numbers each time."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="random_numbers",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": random.SystemRandom().random()})
