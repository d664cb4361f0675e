"""Holds two plugins."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="two_classes", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)


class Other(Subject):
    pass
