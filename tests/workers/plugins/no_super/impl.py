"""Forgets the constructor of its base class."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def __init__(self) -> None:
        self.mine = 1

    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="no_super", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
