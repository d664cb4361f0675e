"""Has other defaults than it says."""

from dataclasses import dataclass, field

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class SettingsDisagree(Plugin):
    """Has other defaults than it says."""

    @dataclass(frozen=True)
    class Config:
        """Settings: a window, which `run` takes to be 10; no schema can say what is made here."""

        window: list[int] = field(default_factory=lambda: [20])

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
        return PluginResult(success=True, data={"value": context.config.get("window", [10])[0]})
