"""The bins of the VIX, their hysteresis and their counts."""

import math
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import NoData
from optifire.plugins.alpha_vix_regime.logic import (
    EDGES,
    classify,
    held_levels,
    level,
    percentile,
    read,
    streak,
)

VIX = st.lists(st.floats(9.0, 90.0), min_size=1, max_size=120)


@pytest.mark.row("O024")
@pytest.mark.parametrize(
    ("vix", "name", "multiplier", "signal"),
    [
        (9.14, "low_vol", 1.2, 1.0),
        (14.99, "low_vol", 1.2, 1.0),
        (math.nextafter(15.0, 0.0), "low_vol", 1.2, 1.0),
        (15.0, "normal", 1.0, 0.0),
        (24.99, "normal", 1.0, 0.0),
        (25.0, "elevated", 0.7, -0.5),
        (34.99, "elevated", 0.7, -0.5),
        (35.0, "crisis", 0.3, -1.0),
        (82.69, "crisis", 0.3, -1.0),
    ],
)
def test_an_edge_belongs_to_the_bin_above_it(
    vix: float, name: str, multiplier: float, signal: float
) -> None:
    regime = classify(vix)
    assert (regime.name, regime.exposure_multiplier, regime.signal) == (name, multiplier, signal)


def test_the_recorded_closes_fall_into_the_bins_807_407_41_and_4_times(vix: pd.Series) -> None:
    assert Counter(classify(close).name for close in vix) == {
        "low_vol": 807,
        "normal": 407,
        "elevated": 41,
        "crisis": 4,
    }


@pytest.mark.parametrize(("day", "close"), [("2015-08-24", 40.74), ("2018-02-05", 37.32)])
def test_two_famous_closes_are_crises(vix: pd.Series, day: str, close: float) -> None:
    recorded = vix[pd.Timestamp(day, tz="UTC")]
    assert recorded == close
    assert classify(recorded).name == "crisis"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -12.0])
def test_what_is_no_price_is_no_regime(bad: float) -> None:
    with pytest.raises(NoData, match="not a VIX close"):
        classify(bad)
    with pytest.raises(NoData, match="not a VIX close"):
        read([14.0, bad])


def test_without_a_close_there_is_no_reading() -> None:
    with pytest.raises(NoData, match="no VIX close"):
        read([])


@pytest.mark.parametrize(
    ("closes", "held"),
    [
        ([14.0, 15.0, 15.99, 16.0], [0, 0, 0, 1]),
        ([16.0, 15.0, 14.0, 13.99], [1, 1, 1, 0]),
        ([14.0, 40.0], [0, 3]),
        ([40.0, 35.5, 34.0, 33.9, 14.5, 13.0], [3, 3, 3, 2, 1, 0]),
        ([25.0], [2]),
    ],
)
def test_the_held_regime_follows_one_point_beyond_an_edge(
    closes: list[float], held: list[int]
) -> None:
    assert held_levels(closes) == held


@given(VIX)
def test_the_held_regime_is_never_further_than_the_band_from_the_close(closes: list[float]) -> None:
    for close, held in zip(closes, held_levels(closes), strict=True):
        assert level(close - 1.0) <= held <= level(close + 1.0)


@given(st.sampled_from(EDGES), st.lists(st.floats(-1.0, 0.99), min_size=1, max_size=60))
def test_closes_within_a_point_of_an_edge_never_change_the_held_regime(
    edge: float, moves: list[float]
) -> None:
    held = held_levels([edge + move for move in moves])
    assert len(set(held)) == 1


@given(VIX, st.integers(1, 120))
def test_later_closes_do_not_change_an_earlier_regime(closes: list[float], cut: int) -> None:
    assert held_levels(closes)[:cut] == held_levels(closes[:cut])


def test_a_streak_counts_back_to_the_last_change() -> None:
    assert streak([0]) == 1
    assert streak([1, 1, 1]) == 3
    assert streak([1, 0, 0]) == 2


def test_a_percentile_needs_252_closes_and_counts_the_last_among_them() -> None:
    rising = [float(value) for value in range(1, 253)]
    assert percentile(rising[:-1]) is None
    assert percentile(rising) == 1.0
    assert percentile([300.0, *rising[:-1], 0.5]) == 1 / 252
    assert percentile([*rising, 126.5]) == 126 / 252


def test_a_reading_says_how_long_both_regimes_have_lasted() -> None:
    reading = read([20.0, 20.0, 14.5, 14.5, 14.2])
    assert (reading.regime.name, reading.days_in_regime) == ("low_vol", 3)
    assert (reading.held.name, reading.days_held) == ("normal", 5)
    assert reading.percentile is None
    assert EDGES == (15.0, 25.0, 35.0)
