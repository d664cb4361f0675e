"""One run of `risk_drawdown_derisk` as of an instant, through the public contract."""

import datetime as dt
import logging

import pytest

from optifire.core.errors import NoData
from optifire.plugins.conftest import Host
from optifire.plugins.risk_drawdown_derisk.impl import RiskDrawdownDerisk

CLOSE = dt.datetime(2018, 12, 31, 21, 0, tzinfo=dt.UTC)
FALL = dt.datetime(2018, 2, 8, 21, 0, tzinfo=dt.UTC)  # 2581.00 after 2872.87 on 26 January


async def test_the_end_of_2018_stands_far_below_the_high_of_september(host: Host) -> None:
    result = await host.run(RiskDrawdownDerisk(), CLOSE)
    assert result.data["high_at"] == "2018-09-20"
    assert result.data["high_water_mark"] == pytest.approx(2930.75)
    assert result.data["drawdown"] == pytest.approx(0.144639, abs=5e-7)
    assert result.data["drawdown_exposure"] == 0.0
    assert host.reads == {"feed:SPX"}


async def test_the_trough_of_2009_is_the_known_worst(host: Host) -> None:
    trough = dt.datetime(2009, 3, 9, 20, 0, tzinfo=dt.UTC)
    result = await host.run(RiskDrawdownDerisk(), trough)
    assert result.data["drawdown"] == pytest.approx(0.567754, abs=5e-7)
    assert result.data["high_at"] == "2007-10-09"


async def test_a_step_is_published_and_logged_when_it_is_taken(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "optifire.plugin"):
        result = await host.run(RiskDrawdownDerisk(), FALL)
    assert result.data["drawdown"] == pytest.approx(0.10160, abs=5e-6)
    assert result.data["drawdown_exposure"] == 0.0
    assert host.bus.events == [("drawdown_step", result.data, "risk_drawdown_derisk")]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_step_that_holds_is_not_published_again(host: Host) -> None:
    await host.run(RiskDrawdownDerisk(), CLOSE)
    assert host.bus.events == []


async def test_without_bars_there_is_no_data(host: Host) -> None:
    with pytest.raises(NoData, match=r"no .* of DAX"):
        await host.run(RiskDrawdownDerisk(), CLOSE, config={"symbol": "DAX"})
