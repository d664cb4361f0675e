"""Says neither schedule nor triggers."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class PlanEmpty(Plugin):
    """Says neither schedule nor triggers."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="plan_empty",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
