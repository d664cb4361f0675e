"""Cannot say when it runs."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class PlanRaises(Plugin):
    """Cannot say when it runs."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="plan_raises",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        raise RuntimeError("some time")

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
