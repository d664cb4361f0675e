import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.history import FEWEST_RUNS, LEAST_CPU_MS, LEAST_MEM_MB, Spread, advise, spread_of

FIGURES = st.floats(min_value=0.001, max_value=1e7, allow_nan=False)


def of(p99: float, runs: int = 100) -> Spread:
    return Spread(runs, p99, p99, p99)


@pytest.mark.parametrize(
    ("p99", "cpu_ms"),
    [(0.4, 10), (7.0, 10), (10.0, 13), (14.2, 19), (17.3, 25), (30.0, 40), (70.1, 95), (770, 1010)],
)
def test_processor_time_is_rounded_up_in_steps_of_1_5_and_10(p99: float, cpu_ms: int) -> None:
    assert advise(of(p99), None).cpu_ms == cpu_ms


@pytest.mark.parametrize(
    ("p99", "mem_mb"), [(0.2, 8), (6.1, 8), (6.2, 9), (40.0, 52), (200.5, 261)]
)
def test_memory_is_rounded_up_to_whole_megabytes(p99: float, mem_mb: int) -> None:
    assert advise(None, of(p99)).mem_mb == mem_mb


@given(cpu=FIGURES, mem=FIGURES)
def test_a_suggestion_leaves_its_headroom_and_little_more(cpu: float, mem: float) -> None:
    said = advise(of(cpu), of(mem))
    assert said.cpu_ms is not None
    assert said.mem_mb is not None
    assert max(LEAST_CPU_MS, cpu * 1.3) <= said.cpu_ms < max(LEAST_CPU_MS, cpu * 1.3) + 10
    assert max(LEAST_MEM_MB, mem * 1.3) <= said.mem_mb < max(LEAST_MEM_MB, mem * 1.3) + 1


@given(low=FIGURES, high=FIGURES)
def test_more_use_never_gives_a_smaller_budget(low: float, high: float) -> None:
    less, more = (advise(of(each), None).cpu_ms for each in sorted((low, high)))
    assert less is not None
    assert more is not None
    assert less <= more


def test_too_few_runs_suggest_nothing() -> None:
    few = advise(of(5.0, FEWEST_RUNS - 1), of(5.0, FEWEST_RUNS - 1))
    assert not few
    assert (few.cpu_ms, few.mem_mb, few.cpu_runs) == (None, None, FEWEST_RUNS - 1)
    assert advise(of(5.0, FEWEST_RUNS), None)


def test_a_figure_that_nobody_measured_is_not_suggested() -> None:
    inline = advise(of(5.0), None)
    assert (inline.cpu_ms, inline.mem_mb, inline.mem_runs) == (10, None, 0)


@given(figures=st.lists(FIGURES, min_size=1, max_size=300))
def test_percentiles_are_figures_that_half_and_99_of_100_do_not_exceed(
    figures: list[float],
) -> None:
    said = spread_of(figures)
    assert said is not None
    assert (said.runs, said.most) == (len(figures), max(figures))
    for share, value in ((50, said.p50), (99, said.p99)):
        assert value in figures
        needed = math.ceil(len(figures) * share / 100)
        assert sum(each <= value for each in figures) >= needed
        assert sum(each < value for each in figures) < needed


def test_no_figures_have_no_spread() -> None:
    assert spread_of([]) is None
