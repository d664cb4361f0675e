"""One run of `alpha_vix_regime` as of an instant, through the public contract."""

import datetime as dt

import pytest

from optifire.core.errors import NoData
from optifire.plugins.alpha_vix_regime.impl import AlphaVixRegime
from optifire.plugins.conftest import Host

AUGUST_25_OPEN = dt.datetime(2015, 8, 25, 13, 30, tzinfo=dt.UTC)


@pytest.mark.row("O024")
async def test_an_open_sees_the_close_of_the_day_before(host: Host) -> None:
    result = await host.run(AlphaVixRegime(), AUGUST_25_OPEN)
    assert result.data["vix"] == 40.74
    assert result.data["last_bar"] == "2015-08-24"
    assert result.data["regime"] == "crisis"
    assert result.data["exposure_multiplier"] == 0.3
    assert result.data["signal"] == -1.0
    assert result.data["days_in_regime"] == 1
    assert host.reads == {"feed:VIX"}


async def test_the_close_itself_is_not_known_one_second_before_it(host: Host) -> None:
    close = dt.datetime(2015, 8, 24, 20, 0, tzinfo=dt.UTC)
    before = await host.run(AlphaVixRegime(), close - dt.timedelta(seconds=1))
    at = await host.run(AlphaVixRegime(), close)
    assert (before.data["last_bar"], at.data["last_bar"]) == ("2015-08-21", "2015-08-24")


@pytest.mark.row("O024")
@pytest.mark.row("O023")
async def test_the_reading_is_stored_and_published(host: Host) -> None:
    result = await host.run(AlphaVixRegime(), AUGUST_25_OPEN)
    signals = await host.tables.fetch_all("SELECT symbol, signal_type, value, reason FROM signals")
    features = await host.tables.fetch_all("SELECT symbol, feature_name, value FROM features")
    assert [tuple(row.values()) for row in signals] == [("VIX", "vix_regime", -1.0, "crisis")]
    assert [tuple(row.values()) for row in features] == [("VIX", "exposure_multiplier", 0.3)]
    assert host.bus.events == [("vix_regime", result.data, "alpha_vix_regime")]


async def test_before_a_year_of_closes_there_is_no_percentile(host: Host) -> None:
    early = await host.run(AlphaVixRegime(), dt.datetime(2014, 6, 2, 13, 30, tzinfo=dt.UTC))
    later = await host.run(AlphaVixRegime(), AUGUST_25_OPEN)
    assert early.data["percentile_252"] is None
    assert later.data["percentile_252"] == 1.0


async def test_before_the_first_close_there_is_no_data(host: Host) -> None:
    with pytest.raises(NoData, match="nothing was known"):
        await host.run(AlphaVixRegime(), dt.datetime(2014, 1, 3, 14, 30, tzinfo=dt.UTC))
    assert host.bus.events == []


async def test_a_series_that_has_ended_is_not_read_as_if_it_went_on(host: Host) -> None:
    with pytest.raises(NoData, match="last bar 2019-01-03"):
        await host.run(AlphaVixRegime(), dt.datetime(2019, 6, 3, 13, 30, tzinfo=dt.UTC))


async def test_another_series_can_be_named(host: Host) -> None:
    with pytest.raises(NoData, match=r"no .* of VXN"):
        await host.run(AlphaVixRegime(), AUGUST_25_OPEN, config={"symbol": "VXN"})
