"""The trend of memory and whose readings it rests on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.plugins.infra_psutil_health.logic import Point, Trend, same_service, trend


def readings(count: int, *, growth: float, start: float = 300.0) -> list[Point]:
    """Five-minute readings of one service that grows by so many megabytes an hour."""
    return [Point(7, 1000.0 + 300.0 * n, start + growth * n / 12) for n in range(count)]


def test_steady_growth_is_told_in_megabytes_an_hour_and_hours_left() -> None:
    found = trend(readings(25, growth=10.0), 900.0)
    assert found.mb_per_hour == pytest.approx(10.0)
    assert found.hours_left == pytest.approx((900.0 - 320.0) / 10.0)


@pytest.mark.parametrize("growth", [0.0, -4.0])
def test_memory_that_does_not_grow_has_no_end(growth: float) -> None:
    found = trend(readings(25, growth=growth), 900.0)
    assert found.mb_per_hour == pytest.approx(growth)
    assert found.hours_left is None


def test_no_time_is_left_over_the_limit() -> None:
    assert trend(readings(25, growth=10.0, start=950.0), 900.0).hours_left == 0.0


def test_an_hour_of_readings_is_needed() -> None:
    assert trend([], 900.0) == Trend(None, None)
    assert trend(readings(11, growth=10.0), 900.0) == Trend(None, None)
    assert trend(readings(12, growth=10.0), 900.0).mb_per_hour == pytest.approx(10.0)


def test_many_readings_within_minutes_are_no_trend() -> None:
    points = [Point(7, float(n), 300.0 + n) for n in range(50)]
    assert trend(points, 900.0) == Trend(None, None)


@given(st.lists(st.floats(0.0, 2000.0), min_size=12, max_size=40), st.floats(-500.0, 500.0))
def test_a_constant_offset_does_not_change_the_growth(memory: list[float], offset: float) -> None:
    points = [Point(7, 300.0 * n, value) for n, value in enumerate(memory)]
    moved = [Point(7, 300.0 * n, value + offset) for n, value in enumerate(memory)]
    assert trend(moved, 900.0).mb_per_hour == pytest.approx(
        trend(points, 900.0).mb_per_hour, abs=1e-6
    )


def test_only_readings_of_the_same_start_count() -> None:
    now, near, far = Point(7, 900.0, 3.0), Point(7, 600.0, 2.0), Point(7, 300.0, 1.0)
    assert same_service(now, [near, far]) == [far, near, now]
    assert same_service(now, [near, Point(6, 300.0, 1.0), far]) == [near, now]
    assert same_service(now, [Point(7, 5000.0, 9.0), near]) == [now]
    assert same_service(now, []) == [now]
