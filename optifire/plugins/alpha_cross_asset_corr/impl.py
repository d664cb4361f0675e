"""The plugin `alpha_cross_asset_corr`: whether oil or bonds still hedge the index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optifire.core.logger import logger
from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.alpha_cross_asset_corr.logic import (
    BASE,
    DAYS,
    MONTHS,
    Correlation,
    correlate,
    returns_of,
    signal,
)

#: Calendar gaps between the two daily series, on top of the returns that are needed.
_SPARE_ROWS = 40


class AlphaCrossAssetCorr(Plugin):
    """Correlates the index with oil by day and with bonds by month, at each close."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the index, a daily price series, and a monthly series of returns."""

        index: str = "SPX"
        other: str = "WTI"
        bond_returns: str = "BOND_PROXY"

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="alpha_cross_asset_corr",
            name="Cross-asset correlation",
            category="alpha",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Correlation of the index with oil and bonds, with its sampling error",
            keywords=["correlation", "hedge", "contagion"],
            outputs=[
                "corr",
                "ci",
                "adj",
                "breakdown",
                "corr_bond",
                "ci_bond",
                "breakdown_bond",
                "signal",
            ],
            requires=["numpy>=2.2", "pandas>=3"],
            est_cpu_ms=30,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close."""
        return {"schedule": "@close", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Correlate what is visible of both pairs."""
        config = self.Config(**context.config)
        daily = await _daily(config.index, config.other)
        monthly = await _monthly(config.index, config.bond_returns)
        if daily.breakdown and monthly.breakdown:
            logger.info("neither %s nor bonds move against %s", config.other, config.index)
        return PluginResult(
            success=True,
            data={
                "corr": daily.rho,
                "ci": [daily.low, daily.high],
                "adj": daily.adjusted,
                "breakdown": daily.breakdown,
                "corr_bond": monthly.rho,
                "ci_bond": [monthly.low, monthly.high],
                "breakdown_bond": monthly.breakdown,
                "signal": signal([daily, monthly]),
            },
        )


async def _daily(index: str, other: str) -> Correlation:
    """Correlate daily returns between the dates on which both series have a price."""
    feed, rows = DataFeed(), BASE + DAYS + 1 + _SPARE_ROWS
    left, right = [await feed.get_series(name, rows) for name in (index, other)]
    common = left.index.intersection(right.index)
    x, y = (returns_of(np.array(prices[common], np.float64)) for prices in (left, right))
    return correlate(x, y, DAYS, BASE)


async def _monthly(index: str, bond_returns: str) -> Correlation:
    """Correlate the returns of the months that are known on both sides."""
    feed = DataFeed()
    closes = await feed.get_series(index, MONTHS + 6, frequency="1mo")
    bonds = await feed.get_series(bond_returns, MONTHS + 6)
    stocks = pd.Series(returns_of(np.array(closes, np.float64)), index=closes.index[1:])
    common = stocks.index.intersection(bonds.index)
    return correlate(
        np.array(stocks[common], np.float64), np.array(bonds[common], np.float64), MONTHS
    )
