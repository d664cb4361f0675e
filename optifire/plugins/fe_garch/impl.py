"""The plugin `fe_garch`: tomorrow's volatility of the index, and how long today's will last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.fe_garch.likelihood import Variant
from optifire.plugins.fe_garch.logic import GarchFit, annualised, fit

#: Sessions ahead that the path tells, and that the monthly forecast averages over.
PATH, MONTH = 5, 21


class FeGarch(Plugin):
    """Fits GARCH(1,1) to the last ten years of daily returns at each close."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the series, how many returns are fitted, and the variant of the model."""

        symbol: str = "SPX"
        window: int = 2520
        asymmetric: bool = False
        student: bool = False

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="fe_garch",
            name="GARCH volatility forecast",
            category="fe",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="GARCH(1,1) volatility forecast of the index, with half-life of a shock",
            keywords=["garch", "volatility", "forecast"],
            outputs=[
                "vol_forecast",
                "vol_forecast_21d",
                "vol_path",
                "vol_long_run",
                "vol_persistence",
                "vol_half_life",
            ],
            requires=["numpy>=2.2", "pandas>=3", "scipy>=1.15"],
            est_cpu_ms=50,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each close."""
        return {"schedule": "@close", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Fit the visible returns and forecast the sessions ahead."""
        config = self.Config(**context.config)
        closes = await DataFeed().get_series(config.symbol, config.window + 1)
        returns = 100.0 * closes.pct_change(fill_method=None).iloc[1:]
        variant = Variant(asymmetric=config.asymmetric, student=config.student)
        found = fit(np.array(returns, np.float64), variant)
        last_bar = closes.index[-1].date().isoformat()
        return PluginResult(success=True, data=_result(found) | {"last_bar": last_bar})


def _result(found: GarchFit) -> dict[str, Any]:
    path = found.variance_path(MONTH)
    long_run = found.long_run_variance
    return {
        "vol_forecast": annualised(path[0]),
        "vol_forecast_21d": annualised(path.mean()),
        "vol_path": [annualised(variance) for variance in path[:PATH]],
        "vol_long_run": None if long_run is None else annualised(long_run),
        "vol_persistence": found.persistence,
        "vol_half_life": found.half_life,
        "mu": found.mu,
        "omega": found.omega,
        "alpha": found.alpha,
        "gamma": found.gamma,
        "beta": found.beta,
        "nu": found.nu,
        "loglik": found.loglik,
        "returns": found.nobs,
    }
