"""The plugin `fe_entropy`: how disordered a year of returns is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.fe_entropy.logic import WINDOW, read


class FeEntropy(Plugin):
    """Measures Shannon, permutation and sample entropy of daily returns at each close."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the series that is measured."""

        symbol: str = "SPX"

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="fe_entropy",
            name="Entropy of returns",
            category="fe",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Shannon, permutation and sample entropy of a year of daily returns",
            keywords=["entropy", "complexity"],
            outputs=["shannon_entropy", "permutation_entropy", "sample_entropy"],
            requires=["numpy>=2.2", "pandas>=3"],
            est_cpu_ms=30,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close."""
        return {"schedule": "@close", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Measure the last 252 visible returns."""
        config = self.Config(**context.config)
        closes = await DataFeed().get_series(config.symbol, WINDOW + 1)
        returns = np.array(closes.pct_change(fill_method=None).iloc[1:], np.float64)
        last_bar = closes.index[-1].date().isoformat()
        return PluginResult(success=True, data=read(returns) | {"last_bar": last_bar})
