"""Imports what runs it."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.runtime.clock import wall_now


class KnowsMachinery(Plugin):
    """Imports what runs it."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="knows_machinery",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": wall_now.__name__})
