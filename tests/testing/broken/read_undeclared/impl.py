"""Reads a value of another plugin without declaring it."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class ReadUndeclared(Plugin):
    """Reads a value of another plugin without declaring it."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="read_undeclared",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": context.data.get("regime", 1.0)})
