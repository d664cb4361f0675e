"""The plugin `risk_vol_target`: how much of the index keeps volatility at the target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.risk_vol_target.logic import (
    CAP,
    FLOOR,
    TARGET,
    WINDOW,
    ewma_vol,
    is_usable,
    multiplier,
)

FORECAST = "vol_forecast"


class RiskVolTarget(Plugin):
    """Scales exposure by the GARCH forecast of the same close, else by an own estimate."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the index, and target, floor and cap as in `logic.multiplier`."""

        symbol: str = "SPX"
        target: float = TARGET
        floor: float = FLOOR
        cap: float = CAP

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="risk_vol_target",
            name="Volatility target",
            category="risk",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Exposure multiplier that keeps volatility near a target",
            keywords=["volatility", "target", "sizing"],
            inputs=[FORECAST],
            outputs=["vol_multiplier", "vol_used", "source"],
            requires=["numpy>=2.2", "pandas>=3"],
            est_cpu_ms=20,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close, after the forecast of that close if there is one."""
        forecast = {"optional": {"needs": FORECAST, "max_age": "1 session"}}
        return {"schedule": "@close", "triggers": [], "dependencies": [forecast], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Take the forecast where it is fresh, else estimate, and size by it."""
        config = self.Config(**context.config)
        forecast = context.data.get(FORECAST)
        if is_usable(forecast):
            vol, source = float(forecast), "fe_garch"
        else:
            vol, source = await _own_estimate(config.symbol), "ewma"
        return PluginResult(
            success=True,
            data={
                "vol_multiplier": multiplier(vol, config.target, config.floor, config.cap),
                "vol_used": vol,
                "source": source,
            },
        )


async def _own_estimate(symbol: str) -> float:
    closes = await DataFeed().get_series(symbol, WINDOW + 1)
    return ewma_vol(np.array(closes.pct_change(fill_method=None).iloc[1:], np.float64))
