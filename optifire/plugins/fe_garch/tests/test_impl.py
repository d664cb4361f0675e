"""One run of `fe_garch` as of an instant, through the public contract."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from optifire.core.errors import NoData
from optifire.plugins.conftest import Host
from optifire.plugins.fe_garch.impl import FeGarch
from optifire.plugins.fe_garch.logic import fit

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)


async def test_the_window_is_the_last_2520_returns(host: Host, spx: pd.Series) -> None:
    result = await host.run(FeGarch(), CLOSE)
    returns = 100.0 * np.array(spx.pct_change().iloc[-2520:], np.float64)
    found = fit(returns)
    assert result.data["returns"] == 2520
    assert result.data["loglik"] == pytest.approx(found.loglik)
    assert result.data["vol_forecast"] == pytest.approx(math.sqrt(252 * found.next_variance) / 100)
    assert host.reads == {"feed:SPX"}


async def test_forecasts_are_annual_fractions_that_return_to_the_long_run(host: Host) -> None:
    result = await host.run(FeGarch(), CLOSE)
    path = result.data["vol_path"]
    assert len(path) == 5
    assert path[0] == result.data["vol_forecast"]
    assert 0.25 < path[0] < 0.35  # the VIX closed at 25.42 points
    assert path[0] > result.data["vol_forecast_21d"] > result.data["vol_long_run"]
    assert 0.9 < result.data["vol_persistence"] < 1.0
    assert 10.0 < result.data["vol_half_life"] < 60.0


async def test_the_whole_index_gives_the_documented_estimates(host: Host) -> None:
    result = await host.run(FeGarch(), CLOSE, config={"window": 5030})
    assert result.data["loglik"] == pytest.approx(-6936.718, abs=1e-3)
    assert result.data["vol_forecast"] == pytest.approx(math.sqrt(252 * 3.59647) / 100, rel=1e-5)


async def test_variants_are_switched_on_by_configuration(host: Host) -> None:
    plain = await host.run(FeGarch(), CLOSE)
    both = await host.run(FeGarch(), CLOSE, config={"asymmetric": True, "student": True})
    assert (plain.data["gamma"], plain.data["nu"]) == (0.0, None)
    assert both.data["gamma"] > 0.1
    assert 2.0 < both.data["nu"] < 30.0


async def test_too_short_a_history_is_no_data(host: Host) -> None:
    early = dt.datetime(2000, 6, 1, 20, 0, tzinfo=dt.UTC)
    with pytest.raises(NoData, match="needs 500 returns"):
        await host.run(FeGarch(), early, config={"symbol": "COMP"})
