"""Puts something into its plan that is not plain."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="bad_plan", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@open", "timeout": object()}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
