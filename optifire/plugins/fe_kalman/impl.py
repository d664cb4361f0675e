"""The plugin `fe_kalman`: where the index stands once the day's noise is taken out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.fe_kalman.logic import LevelFit, filter_level, fit_level, smooth_level

#: Sessions back that the smoothed level is compared over.
WEEK = 5


class FeKalman(Plugin):
    """Fits the local level model to the last 500 log closes at each close."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the series, and how many closes are fitted."""

        symbol: str = "SPX"
        window: int = 500

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="fe_kalman",
            name="Kalman level",
            category="fe",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Filtered level of log closes with its error, by maximum likelihood",
            keywords=["kalman", "state space", "filter"],
            outputs=[
                "level",
                "level_error",
                "level_surprise",
                "level_change_5",
                "kalman_gain",
                "noise_vol",
            ],
            requires=["numpy>=2.2", "pandas>=3", "scipy>=1.15"],
            est_cpu_ms=30,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close."""
        return {"schedule": "@close", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Fit the visible closes and filter them."""
        config = self.Config(**context.config)
        closes = await DataFeed().get_series(config.symbol, config.window)
        values = 100.0 * np.log(np.array(closes.where(closes > 0.0), np.float64))
        found = fit_level(values.tolist())
        last_bar = closes.index[-1].date().isoformat()
        return PluginResult(
            success=True, data=_result(values.tolist(), found) | {"last_bar": last_bar}
        )


def _result(values: list[float], found: LevelFit) -> dict[str, Any]:
    filtered = filter_level(values, found.obs_variance, found.level_variance)
    smoothed = smooth_level(filtered, found.level_variance)
    surprise = filtered.innovations[-1] / math.sqrt(filtered.innovation_variances[-1])
    return {
        "level": math.exp(filtered.levels[-1] / 100.0),
        "level_error": math.sqrt(filtered.variances[-1]) / 100.0,
        "level_surprise": surprise,
        "level_change_5": (smoothed[-1] - smoothed[-1 - WEEK]) / 100.0,
        "kalman_gain": found.gain,
        "noise_vol": math.sqrt(found.obs_variance) / 100.0,
        "level_vol": math.sqrt(found.level_variance) / 100.0,
        "loglik": found.loglik,
        "closes": len(values),
    }
