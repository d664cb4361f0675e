"""The phi of Hayashibara and others, and what counts as a usual interval."""

import math
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.plugins.infra_heartbeat.logic import (
    MIN_INTERVALS,
    MIN_SD,
    WINDOW,
    Beat,
    phi,
    read,
)


def beats(*intervals: float) -> Beat:
    return read(list(accumulate(intervals, initial=1000.0)))


def test_an_interval_of_mean_length_has_a_phi_of_log_two() -> None:
    assert phi(1.0, 1.0, 0.1) == pytest.approx(0.30103, abs=5e-6)


@pytest.mark.parametrize(
    ("deviations", "chance"), [(-1, 0.8413447), (1, 0.1586553), (2, 0.0227501), (3, 0.0013499)]
)
def test_phi_is_minus_the_log_of_the_normal_tail(deviations: float, chance: float) -> None:
    assert phi(60.0 + 2.0 * deviations, 60.0, 2.0) == pytest.approx(-math.log10(chance), abs=1e-6)


def test_the_far_tail_goes_on_where_floats_end() -> None:
    below, above = phi(36.0 - 1e-9, 0.0, 1.0), phi(36.0 + 1e-9, 0.0, 1.0)
    assert above == pytest.approx(below, rel=1e-8)
    assert above > below
    assert phi(1e6, 0.0, 1.0) == pytest.approx(0.5e12 / math.log(10.0), rel=1e-9)


@given(st.lists(st.floats(-100.0, 1e5), min_size=2, max_size=20, unique=True))
def test_longer_silence_is_never_less_suspicious(silences: list[float]) -> None:
    found = [phi(silence, 60.0, 1.0) for silence in sorted(silences)]
    assert all(earlier <= later for earlier, later in pairwise(found))
    assert min(found) >= 0.0


def test_a_first_beat_has_no_interval_and_a_young_one_no_phi() -> None:
    assert read([5.0]) == Beat(1, None, None, None, None)
    young = beats(*[60.0] * MIN_INTERVALS)
    assert (young.interval, young.phi, young.late) == (60.0, None, False)
    assert beats(*[60.0] * (MIN_INTERVALS + 1)).phi is not None


def test_the_interval_that_ends_is_judged_by_those_before_it_alone() -> None:
    found = beats(*[59.0, 61.0] * 10, 66.0)
    assert found.mean == 60.0
    assert found.sd == pytest.approx(math.sqrt(20 / 19))
    assert found.phi == pytest.approx(phi(66.0, 60.0, math.sqrt(20 / 19)))


def test_perfect_regularity_does_not_make_a_short_delay_suspicious() -> None:
    found = beats(*[60.0] * 20, 61.0)
    assert found.sd == MIN_SD
    assert not found.late


def test_a_missed_minute_is_late() -> None:
    found = beats(*[60.0] * 20, 120.0)
    assert found.late
    assert found.phi is not None
    assert found.phi > 100.0


def test_a_past_silence_does_not_blind_the_estimate() -> None:
    found = beats(*[60.0] * 10, 7200.0, *[60.0] * 10, 120.0)
    assert found.mean == 60.0
    assert found.late


def test_beats_before_the_window_are_forgotten() -> None:
    found = beats(*[30.0] * 50, *[60.0] * WINDOW, 60.0)
    assert found.mean == 60.0
