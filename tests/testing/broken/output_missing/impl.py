"""Declares an output that it does not give."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class OutputMissing(Plugin):
    """Declares an output that it does not give."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="output_missing",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value", "missing"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
