"""Raises when it is asked what it is."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        raise LookupError("who am I")

    def plan(self) -> dict[str, object]:
        return {}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
