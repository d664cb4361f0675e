"""The plugin `infra_psutil_health`: the service and its machine against fixed limits."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from optifire.core.logger import logger
from optifire.ops.health import Health, HealthMonitor, Limits
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.infra_psutil_health.logic import (
    WINDOW,
    Point,
    Trend,
    same_service,
    trend,
)

#: Published after each check.
EVENT = "health"
SELECT = "SELECT tags FROM metrics WHERE name = ? AND plugin_id = ? ORDER BY at_us DESC LIMIT ?"
INSERT = "INSERT INTO metrics (name, value, unit, tags) VALUES (?, ?, 'MB', ?)"
METRIC = "service_memory"
#: Figures that the next checks need: what the processor did since, and how memory goes.
KEPT = ("pid", "uptime_s", "busy_s", "cpu_s", "tree_pss_mb", "tree_rss_mb")


class InfraPsutilHealth(Plugin):
    """Checks processor, memory, threads, files and disk every five minutes."""

    #: Makes the monitor of a run.
    monitor: ClassVar[Callable[[], HealthMonitor]] = HealthMonitor

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: megabytes for the service, and percent of any limit that is a warning."""

        memory_mb: float = 900.0
        percent: float = 90.0

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="infra_psutil_health",
            name="Health",
            category="infra",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Health of the service and its machine against fixed limits",
            keywords=["health", "memory", "processor", "psutil"],
            outputs=[
                "health_level",
                "health_warnings",
                "memory_mb",
                "memory_growth_mb_h",
                "memory_hours_left",
            ],
            requires=["psutil>=6"],
            supported_platforms=["linux"],
            est_cpu_ms=50,
            est_mem_mb=16,
            observes="machine",
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: every five minutes."""
        return {"schedule": "interval_5m", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Check once, keep the counters, and tell what is too high."""
        config = self.Config(**context.config)
        before = await self._before(context)
        since = before[0] if before else None
        limits = Limits(config.memory_mb, config.percent)
        health = type(self).monitor().check(limits, since=since)
        now = _point(health.figures)
        if context.db is not None:
            kept = json.dumps({name: health.figures[name] for name in KEPT})
            await context.db.execute(INSERT, (METRIC, now.memory, kept))
        growth = trend(same_service(now, map(_point, before)), config.memory_mb)
        result = _result(health, now, growth)
        for warning in health.warnings:
            logger.warning("%s", warning)
        if context.bus is not None:
            await context.bus.publish(EVENT, result, source=self.metadata.plugin_id)
        return PluginResult(success=True, data=result)

    async def _before(self, context: PluginContext) -> list[dict[str, Any]]:
        """Give the figures that earlier checks kept, newest first."""
        if context.db is None:
            return []
        rows = await context.db.fetch_all(SELECT, (METRIC, self.metadata.plugin_id, WINDOW))
        return [json.loads(row["tags"]) for row in rows]


def _point(figures: Mapping[str, Any]) -> Point:
    shared = figures["tree_pss_mb"]
    memory = figures["tree_rss_mb"] if shared is None else shared
    return Point(int(figures["pid"]), float(figures["uptime_s"]), float(memory))


def _result(health: Health, now: Point, growth: Trend) -> dict[str, Any]:
    return {
        "health_level": health.level.value,
        "health_warnings": list(health.warnings),
        "memory_mb": now.memory,
        "memory_growth_mb_h": growth.mb_per_hour,
        "memory_hours_left": growth.hours_left,
        "figures": dict(health.figures),
    }
