"""Imports files beside it by their bare names, early and late."""

# mypy: ignore-errors

from logic import double

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="siblings", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        from parts.late import triple

        return PluginResult(success=True, data={"a": double(2), "b": triple(2)})
