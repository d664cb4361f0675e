"""Asks for a package that is nowhere."""

# mypy: ignore-errors

import surely_not_installed

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="broken_import", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=surely_not_installed.here)
