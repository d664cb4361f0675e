"""Does in one run what plugins commonly do; only zygotes run it, before they fork."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.sdk.plugin import Plugin, PluginMetadata
from optifire.sdk.result import PluginResult

if TYPE_CHECKING:
    from optifire.sdk.context import PluginContext


class Rehearsed(Plugin):
    """Reads a setting and a value, writes one of each kind."""

    def describe(self) -> PluginMetadata:
        """Give what this plugin is."""
        return PluginMetadata.create(
            plugin_id="rehearsed",
            version="1",
            description="What a zygote does before it forks",
            inputs=["given"],
            outputs=["written"],
        )

    def plan(self) -> dict[str, Any]:
        """Give when this plugin runs: never by itself."""
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Use the context as plugins do."""
        number = context.config["number"] + context.data["given"]
        context.data["written"] = number
        if context.bus is None or context.db is None:
            return PluginResult(success=False, error="the context is not whole")
        await context.bus.publish("rehearsed", {"number": number})
        await context.db.execute("INSERT INTO signals VALUES (?)", (number,))
        return PluginResult(success=True, data={"number": number, "text": "one", "values": [0.5]})
