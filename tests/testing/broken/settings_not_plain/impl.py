"""Has a setting that cannot be written down."""

from dataclasses import dataclass, field

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class SettingsNotPlain(Plugin):
    """Has a setting that cannot be written down."""

    @dataclass(frozen=True)
    class Config:
        """Settings: something that no file can hold."""

        what: object = field(default_factory=object)

    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            plugin_id="settings_not_plain",
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
