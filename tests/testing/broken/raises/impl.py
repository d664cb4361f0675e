"""Raises in every run."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Raises(Plugin):
    """Raises in every run."""

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="raises",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        raise ValueError(f"no luck as of {context.now}")
