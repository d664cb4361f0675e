"""Counts its runs in its module."""

import itertools

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult

_COUNT = itertools.count()


class KeepsState(Plugin):
    """Counts its runs in its module."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="keeps_state",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": next(_COUNT)})
