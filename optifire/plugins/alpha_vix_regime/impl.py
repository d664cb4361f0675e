"""The plugin `alpha_vix_regime`: the volatility regime of the latest visible VIX close."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optifire.core.logger import logger
from optifire.data.feeds import DataFeed
from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult
from optifire.plugins.alpha_vix_regime.logic import Reading, read

#: What is published after each reading.
EVENT = "vix_regime"
INTO_SIGNALS = "INSERT INTO signals (symbol, signal_type, value, reason) VALUES (?, ?, ?, ?)"
INTO_FEATURES = "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)"


class AlphaVixRegime(Plugin):
    """Classifies the VIX at each open, stores the reading and publishes it."""

    @dataclass(frozen=True, slots=True)
    class Config:
        """Settings: the series that is read."""

        symbol: str = "VIX"

    def describe(self) -> PluginMetadata:
        """Give the metadata."""
        return PluginMetadata.create(
            plugin_id="alpha_vix_regime",
            name="VIX regime",
            category="alpha",
            version="1.0.0",
            author="OptiFIRE contributors",
            license="MIT",
            description="Volatility regime and exposure multiplier from the latest VIX close",
            keywords=["vix", "regime", "volatility"],
            outputs=[
                "regime",
                "exposure_multiplier",
                "signal",
                "regime_held",
                "days_in_regime",
                "percentile_252",
            ],
            requires=["numpy>=2.2", "pandas>=3"],
            est_cpu_ms=20,
            est_mem_mb=16,
        )

    def plan(self) -> Mapping[str, Any]:
        """Give the plan: at each open, on what was known by then."""
        return {"schedule": "@open", "triggers": [], "dependencies": [], "effect": "pure"}

    async def run(self, context: PluginContext) -> PluginResult:
        """Read all visible closes and say what the last one means."""
        config = self.Config(**context.config)
        closes = await DataFeed().get_series(config.symbol)
        reading = read(closes.tolist())
        result = _result(reading) | {"last_bar": closes.index[-1].date().isoformat()}
        await _store(context, config.symbol, reading)
        if context.bus is not None:
            await context.bus.publish(EVENT, result, source=self.metadata.plugin_id)
        if reading.days_in_regime == 1:
            logger.info("VIX %.2f: the regime is now %s", reading.vix, reading.regime.name)
        return PluginResult(success=True, data=result)


def _result(reading: Reading) -> dict[str, Any]:
    return {
        "vix": reading.vix,
        "regime": reading.regime.name,
        "exposure_multiplier": reading.regime.exposure_multiplier,
        "signal": reading.regime.signal,
        "regime_held": reading.held.name,
        "days_in_regime": reading.days_in_regime,
        "days_held": reading.days_held,
        "percentile_252": reading.percentile,
    }


async def _store(context: PluginContext, symbol: str, reading: Reading) -> None:
    if context.db is None:
        return
    regime = reading.regime
    await context.db.execute(INTO_SIGNALS, (symbol, EVENT, regime.signal, regime.name))
    await context.db.execute(
        INTO_FEATURES, (symbol, "exposure_multiplier", regime.exposure_multiplier)
    )
