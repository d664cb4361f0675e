"""The plugin `alpha_vrp`: whether volatility is dear or cheap."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.alpha_vrp.logic import (
    MONTH,
    Z_WINDOW,
    expected_premium,
    read,
    signal,
)


class AlphaVrp(Plugin):
    """Sets the VIX against realised and expected volatility of the index at each close."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: implied volatility in points, and the index that it is about."""

        implied: str = "VIX"
        index: str = "SPX"

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="alpha_vrp",
            name="Volatility risk premium",
            category="alpha",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Implied less realised and less expected volatility of the index",
            keywords=["volatility", "premium", "vix"],
            inputs=["vol_forecast_21d"],
            outputs=["vrp_vol", "vrp_var", "vrp_expected", "realised_vol", "z_252", "signal"],
            requires=["numpy>=2.2", "pandas>=3"],
            est_cpu_ms=20,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close, after the forecast of that close if there is one."""
        forecast = {"optional": {"needs": "vol_forecast_21d", "max_age": "1 session"}}
        return {"schedule": "@close", "triggers": [], "dependencies": [forecast], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Compare the last close of the VIX with the last month of the index."""
        config = self.Config(**context.config)
        feed = DataFeed()
        implied = await feed.get_series(config.implied, Z_WINDOW)
        closes = await feed.get_series(config.index, Z_WINDOW + MONTH)
        premium = read(implied, closes)
        forecast = context.data.get("vol_forecast_21d")
        return PluginResult(
            success=True,
            data={
                "vrp_vol": premium.vol,
                "vrp_var": premium.variance,
                "vrp_expected": expected_premium(premium.vix, forecast),
                "realised_vol": premium.realised,
                "z_252": premium.z,
                "signal": signal(premium.vol),
                "vix": premium.vix,
                "last_bar": closes.index[-1].date().isoformat(),
            },
        )
