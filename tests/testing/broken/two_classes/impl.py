"""Has two plugin classes."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class TwoClasses(Plugin):
    """Has two plugin classes."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="two_classes",
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


class Second(Plugin):
    """Has two plugin classes."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="two_classes",
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
