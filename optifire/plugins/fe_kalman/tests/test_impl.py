"""One run of `fe_kalman` as of an instant, through the public contract."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.api import UnobservedComponents

from optifire.core.errors import NoData
from optifire.plugins.conftest import Host
from optifire.plugins.fe_kalman.impl import FeKalman

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)


async def test_the_level_is_that_of_statsmodels_on_the_last_500_closes(
    host: Host, spx: pd.Series
) -> None:
    result = await host.run(FeKalman(), CLOSE)
    values = 100.0 * np.log(np.array(spx.iloc[-500:], np.float64))
    model = UnobservedComponents(values, "llevel", use_exact_diffuse=True)
    data = result.data
    theirs = model.smooth([(100 * data["noise_vol"]) ** 2, (100 * data["level_vol"]) ** 2])
    assert data["closes"] == 500
    assert data["loglik"] == pytest.approx(theirs.llf, abs=1e-6)
    assert data["level"] == pytest.approx(math.exp(theirs.filtered_state[0, -1] / 100), rel=1e-9)
    spread = math.sqrt(theirs.filtered_state_cov[0, 0, -1])
    assert data["level_error"] == pytest.approx(spread / 100, rel=1e-6)
    change = theirs.smoothed_state[0, -1] - theirs.smoothed_state[0, -6]
    assert data["level_change_5"] == pytest.approx(change / 100, rel=1e-6)
    surprise = theirs.standardized_forecasts_error[0, -1]
    assert data["level_surprise"] == pytest.approx(surprise, rel=1e-5)


async def test_the_level_lies_near_the_close_and_reads_the_index_alone(
    host: Host, spx: pd.Series
) -> None:
    result = await host.run(FeKalman(), CLOSE)
    assert result.data["level"] == pytest.approx(spx.iloc[-1], rel=0.03)
    assert 0.0 <= result.data["kalman_gain"] <= 1.0
    assert result.data["last_bar"] == "2018-12-31"
    assert host.reads == {"feed:SPX"}


async def test_too_short_a_history_is_no_data(host: Host) -> None:
    early = dt.datetime(2012, 6, 29, 20, 0, tzinfo=dt.UTC)
    with pytest.raises(NoData, match="needs 60 closes, 30 are visible"):
        await host.run(FeKalman(), early, config={"symbol": "FB"})
