"""Imports what is not there."""

import a_package_that_is_not_there  # type: ignore[import-not-found] # noqa: F401

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class ImportsNothing(Plugin):
    """Imports what is not there."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="import_error",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
