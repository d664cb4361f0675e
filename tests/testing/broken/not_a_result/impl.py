"""Returns a mapping."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class NotAResult(Plugin):
    """Returns a mapping."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="not_a_result",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return {"value": 1.0}  # type: ignore[return-value]
