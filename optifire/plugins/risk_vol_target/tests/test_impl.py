"""One run of `risk_vol_target` as of an instant, through the public contract."""

import datetime as dt
import math

import pytest

from optifire.core.errors import NoData
from optifire.plugins.conftest import Host
from optifire.plugins.risk_vol_target.impl import RiskVolTarget

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)


async def test_a_fresh_forecast_is_used_and_named(host: Host) -> None:
    result = await host.run(RiskVolTarget(), CLOSE, data={"vol_forecast": 0.20})
    assert result.data == {
        "vol_multiplier": pytest.approx(0.75),
        "vol_used": 0.20,
        "source": "fe_garch",
    }
    assert host.reads == set()


async def test_without_a_forecast_the_own_estimate_is_used_and_named(host: Host) -> None:
    result = await host.run(RiskVolTarget(), CLOSE)
    assert result.data["source"] == "ewma"
    assert result.data["vol_used"] == pytest.approx(0.2812219, abs=5e-8)
    assert result.data["vol_multiplier"] == pytest.approx(0.533387, abs=5e-7)
    assert host.reads == {"feed:SPX"}


@pytest.mark.parametrize("forecast", [None, math.nan, math.inf, 0.0, -0.2])
async def test_a_forecast_that_is_no_volatility_is_not_used(
    host: Host, forecast: float | None
) -> None:
    result = await host.run(RiskVolTarget(), CLOSE, data={"vol_forecast": forecast})
    assert result.data["source"] == "ewma"


async def test_target_and_limits_are_configuration(host: Host) -> None:
    config = {"target": 0.10, "floor": 0.1, "cap": 0.4}
    calm = await host.run(RiskVolTarget(), CLOSE, data={"vol_forecast": 0.05}, config=config)
    wild = await host.run(RiskVolTarget(), CLOSE, data={"vol_forecast": 0.50}, config=config)
    assert calm.data["vol_multiplier"] == 0.4
    assert wild.data["vol_multiplier"] == pytest.approx(0.2)


async def test_neither_forecast_nor_bars_is_no_data(host: Host) -> None:
    with pytest.raises(NoData, match=r"no .* of DAX"):
        await host.run(RiskVolTarget(), CLOSE, config={"symbol": "DAX"})


def test_it_waits_for_the_forecast_but_does_not_insist_on_it() -> None:
    assert RiskVolTarget().plan()["dependencies"] == [
        {"optional": {"needs": "vol_forecast", "max_age": "1 session"}}
    ]
