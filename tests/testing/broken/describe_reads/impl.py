"""Reads a file to know what it is."""

from pathlib import Path

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class DescribeReads(Plugin):
    """Reads a file to know what it is."""

    def describe(self) -> PluginMetadata:
        text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
        return PluginMetadata.create(
            plugin_id="describe_reads",
            version="1.0.0",
            description=text,
            outputs=["value"],
            est_cpu_ms=5,
            est_mem_mb=8,
        )

    def plan(self) -> dict[str, object]:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True, data={"value": 1.0})
