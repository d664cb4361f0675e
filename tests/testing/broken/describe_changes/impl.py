"""Is another one each time it is asked."""

import itertools

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult

_COUNT = itertools.count()


class DescribeChanges(Plugin):
    """Is another one each time it is asked."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="describe_changes",
            version="1.0.0",
            description=f"Broken on purpose, {next(_COUNT)}",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
