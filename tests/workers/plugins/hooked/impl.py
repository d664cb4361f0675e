"""Overrides hooks, and has a plan with every shape of entry."""

from datetime import timedelta

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata.create(
            name="hooked",
            version="1",
            description="for a test",
            inputs=["a", "b"],
            dependencies=["x", {"after": "y"}],
        )

    def plan(self) -> dict[str, object]:
        return {
            "schedule": ("@open", "@close-10m"),
            "triggers": {"b", "a"},
            "deadline": timedelta(minutes=1.5),
        }

    async def start(self, context: PluginContext) -> None:
        pass

    async def handle_event(self, event_type: str, data: object) -> None:
        pass

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
