"""Ends the process when it is imported."""

# mypy: ignore-errors

import sys

sys.exit(5)
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="exits_on_import", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
