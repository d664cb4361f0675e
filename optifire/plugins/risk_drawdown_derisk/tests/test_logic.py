"""The ladder: exact edges, one step up at a time, nothing but the closes."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optifire.core.errors import NoData
from optifire.plugins.risk_drawdown_derisk.logic import EXPOSURES, climb, next_step

Vector = NDArray[np.float64]
PATHS = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=150).map(np.array)


def exposures(*closes: float) -> list[float]:
    """Exposure after each close of a path."""
    return [climb(np.array(closes[:end])).exposure for end in range(1, len(closes) + 1)]


def test_twenty_years_of_the_index_have_the_known_worst_drawdown(spx: pd.Series) -> None:
    found = climb(np.array(spx, np.float64))
    assert found.worst == pytest.approx(0.567754, abs=5e-7)
    trough = spx.index.get_loc(pd.Timestamp("2009-03-09", tz="UTC"))
    assert isinstance(trough, int)
    at_trough = climb(np.array(spx.iloc[: trough + 1], np.float64))
    assert at_trough.drawdown == found.worst
    assert spx.index[at_trough.high_at] == pd.Timestamp("2007-10-09", tz="UTC")
    assert at_trough.exposure == 0.0


@pytest.mark.parametrize(
    ("close", "exposure"),
    [(95.01, 1.0), (95.0, 0.5), (92.01, 0.5), (92.0, 0.0), (50.0, 0.0), (100.0, 1.0)],
)
def test_an_edge_belongs_to_the_step_below_it(close: float, exposure: float) -> None:
    assert exposures(100.0, close)[-1] == exposure


@pytest.mark.parametrize("high", [0.1, 3.0, 100.0, 2930.75, 7e6])
def test_the_edges_are_exact_whatever_the_price_level(high: float) -> None:
    assert exposures(high, high * 0.95)[-1] == 0.5
    assert exposures(high, high * 0.92)[-1] == 0.0
    assert exposures(high, high * 0.95 * (1 + 1e-9))[-1] == 1.0
    assert exposures(high, high * 0.92 * (1 + 1e-9))[-1] == 0.5


def test_exposure_returns_one_step_at_a_time_one_point_inside_the_edge() -> None:
    path = (100.0, 92.0, 92.99, 93.0, 95.5, 95.99, 96.0, 95.01, 95.0)
    assert exposures(*path) == [1.0, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 0.5]


def test_a_full_recovery_in_one_session_still_takes_two_steps() -> None:
    assert exposures(100.0, 80.0, 100.0, 100.0, 100.0) == [1.0, 0.0, 0.5, 1.0, 1.0]


def test_a_crash_takes_both_steps_at_once() -> None:
    assert exposures(100.0, 91.0) == [1.0, 0.0]
    assert next_step(1, 0.5) == 2


def test_a_new_high_resets_the_mark() -> None:
    found = climb(np.array([100.0, 90.0, 120.0, 114.0]))
    assert (found.high, found.high_at) == (120.0, 2)
    assert found.drawdown == pytest.approx(0.05)
    assert found.worst == pytest.approx(0.10)


def test_the_step_before_tells_whether_the_last_close_moved_the_ladder() -> None:
    found = climb(np.array([100.0, 94.0]))
    assert (found.step_before, found.step) == (0, 1)
    settled = climb(np.array([100.0, 94.0, 94.0]))
    assert (settled.step_before, settled.step) == (1, 1)


@given(PATHS)
def test_a_restart_anywhere_agrees_since_only_the_closes_count(closes: Vector) -> None:
    whole = [climb(closes[:end]).step for end in range(1, len(closes) + 1)]
    step = 0
    for end, expected in enumerate(whole, start=1):
        drawdown = 1.0 - closes[end - 1] / closes[:end].max()
        step = next_step(step, drawdown)
        assert step == expected


@given(PATHS)
def test_exposure_is_never_higher_than_the_drawdown_allows(closes: Vector) -> None:
    found = climb(closes)
    if found.drawdown >= 0.08:
        assert found.exposure == 0.0
    if found.drawdown >= 0.05:
        assert found.exposure <= 0.5
    assert found.exposure in EXPOSURES


@given(PATHS, st.integers(-8, 8))
def test_the_unit_of_the_price_does_not_matter(closes: Vector, power: int) -> None:
    found, scaled = climb(closes), climb(closes * 2.0**power)
    assert (found.step, found.drawdown) == (scaled.step, scaled.drawdown)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -3.0])
def test_what_is_no_price_is_no_data(bad: float) -> None:
    with pytest.raises(NoData, match="close 1 of 3"):
        climb(np.array([100.0, bad, 101.0]))


def test_without_a_close_there_is_no_ladder() -> None:
    with pytest.raises(NoData, match="no close"):
        climb(np.array([]))
