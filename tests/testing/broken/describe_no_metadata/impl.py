"""Says what it is as a mapping."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class DescribeNoMetadata(Plugin):
    """Says what it is as a mapping."""

    def describe(self) -> PluginMetadata:
        return {"plugin_id": "describe_no_metadata"}  # type: ignore[return-value]

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
