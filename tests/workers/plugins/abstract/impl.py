"""Does not say when it runs."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="abstract", version="1", description="for a test")

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
