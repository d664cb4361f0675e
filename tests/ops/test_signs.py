"""Signs of ill health: from which figure on each check says what."""

from dataclasses import replace

import pytest

from optifire.ops.health import Level
from optifire.ops.meter import Sample
from optifire.ops.signs import (
    LoopLag,
    disk_sign,
    loop_sign,
    machine_sign,
    memory_used,
    own_memory_sign,
)

GREEN = None
AMBER, RED = Level.AMBER, Level.RED


@pytest.mark.parametrize(
    ("worst", "level"), [(0.0, GREEN), (0.99, GREEN), (1.0, AMBER), (14.9, AMBER), (15.0, RED)]
)
def test_a_loop_that_is_late_by_a_second_is_amber(worst: float, level: Level | None) -> None:
    sign = loop_sign(worst)
    assert (sign and sign.level) == level
    assert sign is None or f"{worst:.1f} s late" in sign.reason


@pytest.mark.parametrize(
    ("free", "level"), [(1e6, GREEN), (1000, GREEN), (999, AMBER), (100, AMBER), (99.9, RED)]
)
def test_a_disk_with_less_than_a_gigabyte_is_amber(free: float, level: Level | None) -> None:
    sign = disk_sign(free)
    assert (sign and sign.level) == level
    assert sign is None or sign.check == "disk"


@pytest.mark.parametrize(
    ("percent", "level"), [(0, GREEN), (94.9, GREEN), (95, AMBER), (98.9, AMBER), (99, RED)]
)
def test_a_machine_with_little_memory_left_is_told(percent: float, level: Level | None) -> None:
    sign = machine_sign(percent)
    assert (sign and sign.level) == level


@pytest.mark.parametrize(
    ("used", "level"), [(0, GREEN), (449, GREEN), (450, AMBER), (499, AMBER), (500, RED)]
)
def test_a_service_near_its_own_limit_is_told(used: float, level: Level | None) -> None:
    sign = own_memory_sign(used, 500)
    assert (sign and sign.level) == level
    assert sign is None or f"{used:,.0f} of the 500 MB" in sign.reason


SAMPLE = Sample(
    cpu_percent=None, service_cpu_percent=None, machine_cpu_percent=None, rss_mb=100.0,
    pss_mb=None, service_rss_mb=50.0, processes=3, threads=5, fds=20, load_1m=0.1,
    memory_percent=10.0, disk_free_mb=1e5,
)  # fmt: skip


def test_shared_pages_are_only_looked_at_where_the_sum_could_be_too_much() -> None:
    looked: list[int] = []

    def deep(pss: float | None) -> Sample:
        looked.append(1)
        return replace(SAMPLE, pss_mb=pss)

    assert memory_used(lambda: SAMPLE, lambda: deep(60.0), 1000) == 100.0
    assert looked == []
    assert memory_used(lambda: SAMPLE, lambda: deep(60.0), 110) == 60.0
    assert memory_used(lambda: SAMPLE, lambda: deep(None), 110) == 100.0


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_worst_delay_counts_for_a_minute() -> None:
    time = Time()
    lag = LoopLag(time)
    assert lag.worst() == 0.0
    for late in (0.1, 3.0, 0.2, 2.0, 0.3):
        lag.note(late)
        time.now += 10
    assert lag.worst() == 3.0  # noted 40 s ago
    time.now += 21
    assert lag.worst() == 2.0
    time.now += 20
    assert lag.worst() == 0.3
    time.now += 60
    assert lag.worst() == 0.0


def test_a_steady_loop_leaves_nothing_behind_to_be_kept() -> None:
    time = Time()
    lag = LoopLag(time)
    for step in range(10_000):
        time.now += 1
        lag.note(1 / (1 + step))  # ever less: nothing ever replaces an older one
    assert len(lag._seen) <= 61  # noqa: SLF001 - what it holds is the point
    assert lag.worst() == pytest.approx(1 / (10_000 - 60))
