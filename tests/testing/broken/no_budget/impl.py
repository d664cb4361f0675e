"""Does not say what it uses."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class NoBudget(Plugin):
    """Does not say what it uses."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="no_budget",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
