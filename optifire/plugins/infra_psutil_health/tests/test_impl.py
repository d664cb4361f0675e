"""Runs of `infra_psutil_health` on a machine that the test sets, and on the real one."""

import datetime as dt
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from optifire.core.errors import NotInReplay
from optifire.ops.health import HealthMonitor
from optifire.ops.readings import Reading, read
from optifire.plugins import PluginContext, PluginResult
from optifire.plugins.conftest import Host
from optifire.plugins.infra_psutil_health.impl import InfraPsutilHealth
from optifire.sdk.scope import Scope, in_scope

START = dt.datetime(2026, 3, 2, 15, 0, tzinfo=dt.UTC)
MB = 1_000_000


def easy() -> Reading:
    """Give a reading of the real machine, set to be far from every limit."""
    real = read(os.getpid(), Path())
    return Reading(
        replace(real.service, pid=7, started_s=100.0, cpu_s=0.0, fds=20, fd_limit=1000),
        replace(real.tree, rss=300 * MB, pss=200 * MB),
        replace(
            real.machine,
            cores=2,
            up_s=1000.0,
            busy_s=0.0,
            memory_total=1000 * MB,
            memory_available=800 * MB,
            swap_used=0,
            disk_percent=10.0,
            group=None,
        ),
    )


class Machine:
    """A machine whose figures the test sets, checked every five minutes."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._now = START
        self.reading = easy()

    async def check(
        self, *, memory_mb: float = 200.0, busy_s: float = 0.0, percent: float = 90.0
    ) -> PluginResult:
        """Let five minutes pass, then run."""
        machine, tree = self.reading.machine, self.reading.tree
        self._now += dt.timedelta(minutes=5)
        self.reading = Reading(
            self.reading.service,
            replace(tree, pss=int(memory_mb * MB)),
            replace(machine, up_s=machine.up_s + 300.0, busy_s=machine.busy_s + busy_s),
        )
        shown = self.reading

        class Watched(InfraPsutilHealth):
            @staticmethod
            def monitor() -> HealthMonitor:
                return HealthMonitor(reader=lambda: shown)

        return await self._host.run(Watched(), self._now, config={"percent": percent})


@pytest.fixture
def machine(host: Host) -> Machine:
    return Machine(host)


@pytest.mark.row("O025")
@pytest.mark.parametrize(
    ("memory_mb", "level"),
    [(801.0, "green"), (809.0, "green"), (810.0, "amber"), (819.0, "amber"), (900.0, "red")],
)
async def test_memory_is_held_against_ninety_percent_of_900_megabytes(
    machine: Machine, memory_mb: float, level: str
) -> None:
    result = await machine.check(memory_mb=memory_mb)
    assert result.data["health_level"] == level
    assert result.data["memory_mb"] == pytest.approx(memory_mb)
    assert bool(result.data["health_warnings"]) is (level != "green")


@pytest.mark.row("O025")
async def test_what_is_too_high_is_warned_of_and_published(
    machine: Machine, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "optifire.plugin"):
        result = await machine.check(memory_mb=855.0)
    assert "memory of the service is at 95 %: 855 of 900 MB" in caplog.text
    assert host.bus.events == [("health", result.data, "infra_psutil_health")]


@pytest.mark.row("O025")
async def test_processor_memory_threads_and_descriptors_are_in_the_record(
    machine: Machine,
) -> None:
    figures = (await machine.check()).data["figures"]
    assert {"cpu_percent", "machine_cpu_percent", "rss_mb", "threads", "fds"} <= set(figures)


async def test_the_processor_is_measured_since_the_check_before(machine: Machine) -> None:
    await machine.check(busy_s=0.0)
    busy = await machine.check(busy_s=570.0)  # of 2 x 300 core seconds
    calm = await machine.check(busy_s=6.0)
    assert busy.data["figures"]["machine_cpu_percent"] == pytest.approx(95.0)
    assert busy.data["health_level"] == "amber"
    assert calm.data["figures"]["machine_cpu_percent"] == pytest.approx(1.0)
    assert calm.data["health_level"] == "green"


async def test_growing_memory_is_told_before_it_is_too_much(machine: Machine) -> None:
    results = [await machine.check(memory_mb=200.0 + 5.0 * n) for n in range(13)]
    assert results[10].data["memory_growth_mb_h"] is None
    assert results[12].data["memory_growth_mb_h"] == pytest.approx(60.0)
    assert results[12].data["memory_hours_left"] == pytest.approx((900.0 - 260.0) / 60.0)


async def test_the_limits_are_configuration(machine: Machine) -> None:
    assert (await machine.check(memory_mb=460.0)).data["health_level"] == "green"
    assert (await machine.check(memory_mb=460.0, percent=50.0)).data["health_level"] == "amber"


async def test_the_real_machine_is_looked_at_without_a_host() -> None:
    result = await InfraPsutilHealth().run(PluginContext(now=START))
    assert result.success
    assert result.data["figures"]["pid"] == os.getpid()
    assert 5.0 < result.data["memory_mb"] < 10_000.0


async def test_a_replay_does_not_look_at_the_machine() -> None:
    with in_scope(Scope(now=START, replay=True)), pytest.raises(NotInReplay):
        await InfraPsutilHealth().run(PluginContext(now=START))
