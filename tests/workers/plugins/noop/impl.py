"""Succeeds at once."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Noop(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="noop", version="1", description="does nothing")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"pid": __import__("os").getpid()})
