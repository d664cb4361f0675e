"""One run of `fe_entropy` as of an instant, through the public contract."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from optifire.core.errors import NoData
from optifire.plugins.conftest import Host
from optifire.plugins.fe_entropy.impl import FeEntropy
from optifire.plugins.fe_entropy.logic import read

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)


async def test_the_last_252_returns_are_measured(host: Host, spx: pd.Series) -> None:
    result = await host.run(FeEntropy(), CLOSE)
    expected = read(np.array(spx.pct_change().dropna(), np.float64))
    assert {name: result.data[name] for name in expected} == pytest.approx(expected)
    assert result.data["last_bar"] == "2018-12-31"
    assert host.reads == {"feed:SPX"}


async def test_each_entropy_is_a_share_of_its_greatest_value(host: Host) -> None:
    result = await host.run(FeEntropy(), CLOSE)
    for name in ("shannon_entropy", "permutation_entropy", "sample_entropy"):
        assert 0.0 < result.data[name] < 1.0


async def test_too_short_a_history_is_no_data(host: Host) -> None:
    early = dt.datetime(2012, 12, 31, 21, 0, tzinfo=dt.UTC)
    with pytest.raises(NoData, match="needs 252 returns"):
        await host.run(FeEntropy(), early, config={"symbol": "FB"})
