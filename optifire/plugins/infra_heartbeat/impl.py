"""The plugin `infra_heartbeat`: whether runs arrive as regularly as they are due."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optifire.core.logger import logger
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.infra_heartbeat.logic import WINDOW, Beat, read

#: Published when a beat was late, and only then.
EVENT = "heartbeat_late"
#: Earlier beats of the same boot; another boot's clock began elsewhere.
SELECT = (
    "SELECT value FROM metrics WHERE name = ? AND plugin_id = ? AND tags = ?"
    " ORDER BY at_us DESC LIMIT ?"
)
INSERT = "INSERT INTO metrics (name, value, unit, tags) VALUES (?, ?, 's', ?)"
METRIC = "heartbeat"


class InfraHeartbeat(Plugin):
    """Beats once a minute and says how suspicious the silence before was."""

    #: Seconds since boot, suspended time included: no change of the date touches it.
    uptime_file = Path("/proc/uptime")
    boot_file = Path("/proc/sys/kernel/random/boot_id")

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="infra_heartbeat",
            name="Heartbeat",
            category="infra",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Beat of the schedule with phi-accrual suspicion of silences",
            keywords=["heartbeat", "phi accrual", "liveness"],
            outputs=["heartbeat_interval", "heartbeat_phi", "heartbeat_late"],
            supported_platforms=["linux"],
            est_cpu_ms=15,
            est_mem_mb=16,
            observes="machine",
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: once a minute."""
        return {"schedule": "interval_1m", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Beat: compare with the beats before, and keep this one."""
        if context.db is None:
            return PluginResult.skipped("no tables to find the beats before in")
        uptime, boot = self._machine_clock()
        rows = await context.db.fetch_all(
            SELECT, (METRIC, self.metadata.plugin_id, boot, WINDOW + 1)
        )
        earlier = sorted(float(row["value"]) for row in rows)
        beat = read([*earlier, uptime])
        await context.db.execute(INSERT, (METRIC, uptime, boot))
        result = _result(beat)
        if beat.late:
            logger.warning("silence of %.1f s before this beat (phi %.1f)", beat.interval, beat.phi)
            if context.bus is not None:
                await context.bus.publish(EVENT, result, source=self.metadata.plugin_id)
        return PluginResult(success=True, data=result)

    def _machine_clock(self) -> tuple[float, str]:
        """Give seconds since boot (to 10 ms), and which boot it is."""
        uptime = self.uptime_file.read_text(encoding="ascii").split()[0]
        return float(uptime), self.boot_file.read_text(encoding="ascii").strip()


def _result(beat: Beat) -> dict[str, Any]:
    return {
        "heartbeat_interval": beat.interval,
        "heartbeat_phi": beat.phi,
        "heartbeat_late": beat.late,
        "interval_mean": beat.mean,
        "interval_sd": beat.sd,
        "beats": beat.beats,
    }
