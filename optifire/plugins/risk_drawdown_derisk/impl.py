"""The plugin `risk_drawdown_derisk`: less exposure the deeper the fall from the high."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optifire.core.logger import logger
from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.risk_drawdown_derisk.logic import climb

#: Published when the ladder moves, and only then.
EVENT = "drawdown_step"


class RiskDrawdownDerisk(Plugin):
    """Walks the exposure ladder over every visible close of the index, at each close."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the series whose drawdown counts."""

        symbol: str = "SPX"

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="risk_drawdown_derisk",
            name="Drawdown ladder",
            category="risk",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Exposure by drawdown from the high-water mark, with re-entry",
            keywords=["drawdown", "high-water mark", "risk"],
            outputs=["drawdown", "drawdown_exposure", "drawdown_step", "high_water_mark"],
            requires=["numpy>=2.2", "pandas>=3"],
            est_cpu_ms=20,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close."""
        return {"schedule": "@close", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Walk all visible closes and say where the last one stands."""
        config = self.Config(**context.config)
        closes = await DataFeed().get_series(config.symbol)
        ladder = climb(np.array(closes, np.float64))
        result: dict[str, Any] = {
            "drawdown": ladder.drawdown,
            "drawdown_exposure": ladder.exposure,
            "drawdown_step": ladder.step,
            "high_water_mark": ladder.high,
            "high_at": closes.index[ladder.high_at].date().isoformat(),
            "worst_drawdown": ladder.worst,
            "last_bar": closes.index[-1].date().isoformat(),
        }
        if ladder.step != ladder.step_before:
            level = logger.warning if ladder.step > ladder.step_before else logger.info
            level("drawdown %.2f %%: exposure %.1f", 100 * ladder.drawdown, ladder.exposure)
            if context.bus is not None:
                await context.bus.publish(EVENT, result, source=self.metadata.plugin_id)
        return PluginResult(success=True, data=result)
