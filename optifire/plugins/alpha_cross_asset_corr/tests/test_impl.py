"""One run of `alpha_cross_asset_corr` as of an instant, through the public contract."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from optifire.core.errors import NoData
from optifire.data.source import BarSource
from optifire.plugins.alpha_cross_asset_corr.impl import AlphaCrossAssetCorr
from optifire.plugins.conftest import Host

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)


async def test_the_daily_pair_is_the_last_sixty_common_returns(
    host: Host, source: BarSource
) -> None:
    result = await host.run(AlphaCrossAssetCorr(), CLOSE)
    both = source.closes(["SPX", "WTI"], asof=CLOSE).dropna()
    assert both.index[-1] == pd.Timestamp("2018-12-28", tz="UTC")  # oil of the 31st: next open
    changes = both.pct_change().iloc[-60:]
    assert result.data["corr"] == pytest.approx(changes.corr().iloc[0, 1], abs=1e-12)
    low, high = result.data["ci"]
    assert low < result.data["corr"] < high
    assert result.data["breakdown"] is bool(low > -0.4)


async def test_the_adjustment_uses_the_year_before_the_window(
    host: Host, source: BarSource
) -> None:
    result = await host.run(AlphaCrossAssetCorr(), CLOSE)
    both = source.closes(["SPX", "WTI"], asof=CLOSE).dropna().pct_change()["SPX"]
    delta = both.iloc[-60:].var() / both.iloc[-312:-60].var() - 1
    rho = result.data["corr"]
    assert result.data["adj"] == pytest.approx(rho / np.sqrt(1 + delta * (1 - rho**2)))


async def test_the_bond_pair_ends_with_the_last_month_known_on_both_sides(
    host: Host, source: BarSource
) -> None:
    result = await host.run(AlphaCrossAssetCorr(), CLOSE)
    stocks = source.series("SPX", asof=CLOSE, freq="1mo").pct_change()
    bonds = source.series("BOND_PROXY", asof=CLOSE)
    both = pd.concat([stocks, bonds], axis=1, sort=True).dropna().iloc[-36:]
    assert both.index[-1] == pd.Timestamp("2018-11-01", tz="UTC")
    assert result.data["corr_bond"] == pytest.approx(both.corr().iloc[0, 1], abs=1e-12)
    assert result.data["signal"] in {0.0, -0.5, -1.0}


async def test_without_a_series_there_is_no_data(host: Host) -> None:
    with pytest.raises(NoData, match=r"no .* of GOLD"):
        await host.run(AlphaCrossAssetCorr(), CLOSE, config={"other": "GOLD"})


async def test_a_price_at_which_no_return_is_defined_is_no_data(host: Host) -> None:
    with pytest.raises(NoData, match="not positive"):
        await host.run(AlphaCrossAssetCorr(), CLOSE, config={"other": "BOND_PROXY"})
