"""Has other defaults than it says."""

from dataclasses import dataclass

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class SettingsDisagree(Plugin):
    """Has other defaults than it says."""

    @dataclass(frozen=True)
    class Config:
        """Settings: a window, which `run` takes to be 10."""

        window: int = 20

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="settings_disagree",
            version="1.0.0",
            description="Broken on purpose",
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": context.config.get("window", 10)})
