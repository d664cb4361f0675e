"""Imports a file beside it by its relative name; the file has a common name."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult

from .logic import double


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="relative", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"a": double(2)})
