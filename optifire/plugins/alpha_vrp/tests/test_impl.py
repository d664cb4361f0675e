"""One run of `alpha_vrp` as of an instant, through the public contract."""

import datetime as dt

import pytest

from optifire.core.errors import NoData
from optifire.plugins.alpha_vrp.impl import AlphaVrp
from optifire.plugins.conftest import Host

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)


async def test_the_last_close_of_2018_has_the_known_premium(host: Host) -> None:
    result = await host.run(AlphaVrp(), CLOSE)
    assert result.data["vix"] == 25.42
    assert result.data["realised_vol"] == pytest.approx(28.5244, abs=5e-5)
    assert result.data["vrp_vol"] == pytest.approx(-3.1044, abs=5e-5)
    assert result.data["signal"] == 0.0
    assert result.data["last_bar"] == "2018-12-31"
    assert host.reads == {"feed:VIX", "feed:SPX"}


async def test_a_forecast_in_the_context_gives_the_expected_premium(host: Host) -> None:
    with_one = await host.run(AlphaVrp(), CLOSE, data={"vol_forecast_21d": 0.20})
    without = await host.run(AlphaVrp(), CLOSE)
    assert with_one.data["vrp_expected"] == pytest.approx(5.42)
    assert without.data["vrp_expected"] is None
    assert with_one.data["vrp_vol"] == without.data["vrp_vol"]


async def test_the_first_day_of_the_vix_has_a_premium_but_no_z_score(host: Host) -> None:
    result = await host.run(AlphaVrp(), dt.datetime(2014, 1, 3, 21, 0, tzinfo=dt.UTC))
    assert result.data["vix"] == 13.76
    assert result.data["z_252"] is None


async def test_without_the_index_there_is_no_data(host: Host) -> None:
    with pytest.raises(NoData, match=r"no .* of DAX"):
        await host.run(AlphaVrp(), CLOSE, config={"index": "DAX"})
