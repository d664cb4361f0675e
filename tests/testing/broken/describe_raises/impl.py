"""Cannot say what it is."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class DescribeRaises(Plugin):
    """Cannot say what it is."""

    def describe(self) -> PluginMetadata:
        raise RuntimeError("nobody knows")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
