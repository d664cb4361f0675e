"""The premium of implied over realised volatility on recorded data."""

import math

import numpy as np
import pandas as pd
import pytest

from optifire.core.errors import NoData
from optifire.plugins.alpha_vrp.logic import (
    MONTH,
    expected_premium,
    premium_series,
    read,
    realised_vol,
    signal,
    variance_premium,
    z_score,
)

LAST = pd.Timestamp("2018-12-31", tz="UTC")


@pytest.fixture
def premiums(vix: pd.Series, spx: pd.Series) -> pd.Series:
    return premium_series(vix[:LAST], spx)


def test_the_last_day_of_2018_has_the_known_premium(vix: pd.Series, spx: pd.Series) -> None:
    found = read(vix[:LAST], spx)
    assert found.vix == 25.42
    assert found.realised == pytest.approx(28.5244, abs=5e-5)
    assert found.vol == pytest.approx(-3.1044, abs=5e-5)


def test_five_years_have_the_known_mean_and_share_above_zero(premiums: pd.Series) -> None:
    assert len(premiums) == 1257
    assert premiums.mean() == pytest.approx(3.14059, abs=5e-6)
    assert (premiums > 0).mean() == pytest.approx(0.8417, abs=5e-5)


def test_the_vix_was_three_points_above_what_the_next_month_delivered(
    vix: pd.Series, spx: pd.Series
) -> None:
    following = realised_vol(spx).shift(-MONTH).dropna()
    ex_post = (vix - following).dropna()
    assert len(ex_post) == 1236
    assert ex_post.mean() == pytest.approx(2.9559, abs=5e-5)
    around_zero = np.sqrt(252.0 * (np.log(spx).diff() ** 2).rolling(MONTH).mean()) * 100.0
    assert (vix - around_zero.shift(-MONTH)).mean() == pytest.approx(3.0041, abs=5e-5)


def test_a_premium_at_an_instant_does_not_know_what_follows(
    vix: pd.Series, spx: pd.Series, premiums: pd.Series
) -> None:
    day = pd.Timestamp("2016-06-24", tz="UTC")
    assert read(vix[:day], spx[:day]).vol == pytest.approx(premiums[day], abs=1e-12)


def test_the_variance_premium_compares_one_month_with_one_month() -> None:
    returns = np.full(MONTH, 0.01)
    assert variance_premium(20.0, returns) == pytest.approx(400 / 12 - 21.0)


def test_a_steady_rise_has_no_realised_volatility() -> None:
    closes = pd.Series(100.0 * 1.01 ** np.arange(30))
    assert np.array(realised_vol(closes)) == pytest.approx(0.0, abs=1e-10)
    assert len(realised_vol(closes)) == 9


def test_the_level_of_the_index_does_not_matter(vix: pd.Series, spx: pd.Series) -> None:
    assert read(vix[:LAST], 7.0 * spx).vol == pytest.approx(read(vix[:LAST], spx).vol, abs=1e-9)


@pytest.mark.parametrize(
    ("premium", "sign"), [(5.01, -1.0), (5.0, 0.0), (0.0, 0.0), (-5.0, 0.0), (-5.01, 1.0)]
)
def test_volatility_is_sold_above_five_points_and_bought_below_minus_five(
    premium: float, sign: float
) -> None:
    assert signal(premium) == sign


@pytest.mark.parametrize(
    ("forecast", "premium"),
    [(0.15, 5.0), (0.25, -5.0), (None, None), (math.nan, None), (0.0, None), ("0.15", None)],
)
def test_the_expected_premium_needs_a_forecast(forecast: object, premium: float | None) -> None:
    assert expected_premium(20.0, forecast) == premium


def test_a_z_score_needs_a_full_window_that_moves() -> None:
    values = np.arange(252.0)
    assert z_score(values[1:]) is None
    assert z_score(np.ones(252)) is None
    assert z_score(values) == pytest.approx((251 - values.mean()) / values.std(ddof=1))
    assert z_score(np.concatenate((np.full(9, 1e9), values))) == z_score(values)


def pair(count: int) -> tuple[pd.Series, pd.Series]:
    index = pd.date_range("2020-01-01", periods=count, tz="UTC")
    closes = 100.0 + np.arange(count) % 3
    return pd.Series(np.full(count, 15.0), index), pd.Series(closes, index)


def test_too_few_closes_are_no_data() -> None:
    vix, closes = pair(21)
    with pytest.raises(NoData, match="22 index closes, 21 and 21"):
        read(vix, closes)
    with pytest.raises(NoData, match="0 and 22"):
        read(pair(0)[0], pair(22)[1])


def test_one_common_close_is_enough_when_the_index_is_older() -> None:
    vix, closes = pair(22)
    found = read(vix[-1:], closes)
    assert math.isfinite(found.vol)
    assert found.z is None


def test_series_that_end_on_different_days_are_not_compared() -> None:
    vix, closes = pair(40)
    with pytest.raises(NoData, match="VIX ends at 2020-02-08"):
        read(vix[:-1], closes)
    with pytest.raises(NoData, match="the index at 2020-02-08"):
        read(vix, closes[:-1])


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -1.0])
@pytest.mark.parametrize("where", [0, 1])
def test_a_close_that_is_no_price_is_no_data(bad: float, where: int) -> None:
    series = pair(40)
    series[where].iloc[-3] = bad
    with pytest.raises(NoData, match="not a price"):
        read(*series)
