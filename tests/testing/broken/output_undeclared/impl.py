"""Publishes a value that it does not declare."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class OutputUndeclared(Plugin):
    """Publishes a value that it does not declare."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="output_undeclared",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        context.data["secret"] = 2.0
        return PluginResult(success=True, data={"value": 1.0})
