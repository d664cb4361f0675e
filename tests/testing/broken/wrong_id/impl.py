"""Calls itself otherwise than its folder."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class WrongId(Plugin):
    """Calls itself otherwise than its folder."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="right_id",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
