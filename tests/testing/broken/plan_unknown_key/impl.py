"""Has a plan with a key that nobody knows."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class PlanUnknownKey(Plugin):
    """Has a plan with a key that nobody knows."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="plan_unknown_key",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@open", "trigers": []}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
