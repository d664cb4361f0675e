"""Three entropies against textbook values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optifire.core.errors import NoData
from optifire.plugins.fe_entropy.logic import (
    WINDOW,
    histogram_entropy,
    permutation_entropy,
    read,
    sample_entropy,
    sample_entropy_ceiling,
    shannon_bits,
)

Vector = NDArray[np.float64]
BANDT_POMPE = np.array([4.0, 7.0, 9.0, 10.0, 6.0, 11.0, 3.0])


@pytest.mark.parametrize(
    ("probabilities", "bits"),
    [([1 / 8] * 8, 3.0), ([0.9, 0.1], 0.468996), ([1.0, 0.0], 0.0), ([0.5, 0.5], 1.0)],
)
def test_shannon_entropy_is_in_bits(probabilities: list[float], bits: float) -> None:
    assert shannon_bits(probabilities) == pytest.approx(bits, abs=5e-7)


def test_a_histogram_is_counted_in_shares_and_not_in_densities() -> None:
    narrow = np.linspace(0.0, 1e-6, 800)
    assert histogram_entropy(narrow, 8) == pytest.approx(3.0)


@pytest.mark.parametrize(("order", "bits"), [(2, 0.918296), (3, 1.521928)])
def test_permutation_entropy_gives_the_example_of_bandt_and_pompe(order: int, bits: float) -> None:
    assert permutation_entropy(BANDT_POMPE, order) == pytest.approx(bits, abs=5e-7)


def test_a_ramp_has_one_pattern_and_so_no_permutation_entropy() -> None:
    assert permutation_entropy(np.arange(100.0)) == 0.0


def test_white_noise_has_every_pattern_equally() -> None:
    noise = np.random.default_rng(0).standard_normal(100_000)
    assert permutation_entropy(noise) / math.log2(6) == pytest.approx(1.0, abs=1e-3)


def by_definition(values: Vector, length: int, tolerance: float) -> float:
    """Sample entropy written out as its definition, pair by pair."""
    radius = tolerance * np.std(values, ddof=1)
    count = len(values) - length

    def agreeing(width: int) -> int:
        return sum(
            bool(np.abs(values[i : i + width] - values[j : j + width]).max() <= radius)
            for i in range(count)
            for j in range(count)
            if i != j
        )

    return -math.log(agreeing(length + 1) / agreeing(length))


def test_sample_entropy_is_its_definition() -> None:
    values = np.random.default_rng(4).standard_normal(80)
    found = sample_entropy(values, 2, 0.5)
    assert found == pytest.approx(by_definition(values, 2, 0.5), rel=1e-12)


def test_a_regular_series_has_less_sample_entropy_than_noise() -> None:
    regular: Vector = np.arange(252.0) % 4.0
    noise: Vector = np.random.default_rng(4).standard_normal(252)
    low, high = sample_entropy(regular), sample_entropy(noise)
    assert low is not None
    assert high is not None
    assert low < 0.02
    assert high > 1.0


def test_sample_entropy_is_undefined_where_no_pattern_repeats() -> None:
    assert sample_entropy(np.exp2(np.arange(30.0)), 2, 1e-9) is None


def test_the_ceiling_is_one_pair_that_goes_on_of_all_pairs() -> None:
    pairs = math.comb(250, 2)
    assert sample_entropy_ceiling(252, 2) == pytest.approx(math.log(pairs))


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_every_entropy_is_scaled_to_one_and_blind_to_the_unit(seed: int, scale: float) -> None:
    values = np.random.default_rng(seed).standard_t(4, WINDOW)
    found, scaled = read(values), read(scale * values)
    for name in ("shannon_entropy", "permutation_entropy", "sample_entropy"):
        value = found[name]
        assert value is not None
        assert 0.0 <= value <= 1.0
        assert scaled[name] == pytest.approx(value, abs=2e-2)


def test_only_the_last_window_counts() -> None:
    values = np.random.default_rng(9).standard_normal(WINDOW)
    assert read(np.concatenate((np.full(40, 5.0), values))) == read(values)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.array([]), "0 are visible"),
        (np.ones(251), "needs 252 returns, 251"),
        (np.ones(252), "never change"),
        (np.append(np.arange(251.0), np.nan), "not a number"),
        (np.append(np.arange(251.0), -np.inf), "not a number"),
    ],
)
def test_what_cannot_be_measured_is_said_to_be_no_data(values: Vector, why: str) -> None:
    with pytest.raises(NoData, match=why):
        read(values)
