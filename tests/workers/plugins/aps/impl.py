"""Is scheduled by triggers of APScheduler."""

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="aps", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        hourly = CronTrigger(minute=5, timezone="America/New_York")
        return {"schedule": ["@open", hourly, IntervalTrigger(minutes=5, timezone="UTC")]}

    async def run(self, context: PluginContext) -> PluginResult:
        return PluginResult(success=True)
