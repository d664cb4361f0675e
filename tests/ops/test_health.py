"""Health: thresholds on made readings, and what is read of real processes."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from optifire.core.errors import NotInReplay, UsageError
from optifire.ops.cgroup import GroupMemory
from optifire.ops.health import HealthMonitor, Level, Limits, judge
from optifire.ops.readings import MachineReading, Reading, ServiceReading, TreeReading
from optifire.sdk.scope import Scope, in_scope

MB = 1_000_000
NOW = datetime(2018, 11, 23, 18, 0, tzinfo=UTC)
EASY = Reading(
    ServiceReading(
        pid=7, started_s=100.0, cpu_s=9.0, rss=60 * MB, threads=4, fds=20, fd_limit=1000
    ),
    TreeReading(processes=3, rss=180 * MB, pss=90 * MB, cpu_s=12.0, threads=6),
    MachineReading(
        cores=2,
        up_s=1000.0,
        busy_s=200.0,
        load_1m=0.3,
        memory_total=8000 * MB,
        memory_available=6000 * MB,
        swap_total=1000 * MB,
        swap_used=0,
        disk_total=100_000 * MB,
        disk_free=70_000 * MB,
        disk_percent=30.0,
        group=None,
    ),
)


def service_memory(percent: float) -> Reading:
    return replace(EASY, tree=replace(EASY.tree, pss=int(9 * MB * percent)))


def machine_memory(percent: float) -> Reading:
    free = int(80 * MB * (100 - percent))
    return replace(EASY, machine=replace(EASY.machine, memory_available=free))


def group(percent: float) -> Reading:
    memory = GroupMemory("/optifire.service", 500 * MB, int(5 * MB * percent))
    return replace(EASY, machine=replace(EASY.machine, group=memory))


def swap(percent: float) -> Reading:
    return replace(EASY, machine=replace(EASY.machine, swap_used=int(10 * MB * percent)))


def disk(percent: float) -> Reading:
    return replace(EASY, machine=replace(EASY.machine, disk_percent=percent))


def descriptors(percent: float) -> Reading:
    return replace(EASY, service=replace(EASY.service, fds=int(10 * percent)))


def processor(percent: float) -> Reading:
    return replace(EASY, machine=replace(EASY.machine, busy_s=20.0 * percent))


LIMITED = {
    "memory of the service": service_memory,
    "memory of the machine": machine_memory,
    "memory is": group,
    "swap": swap,
    "disk": disk,
    "file descriptors": descriptors,
    "processor": processor,
}
VITAL = [name for name in LIMITED if name not in ("swap", "processor")]


def test_a_machine_at_ease_is_green_without_warnings() -> None:
    health = judge(EASY, Limits())
    assert health.level is Level.GREEN
    assert health.warnings == ()


@pytest.mark.row("O025")
@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize(("percent", "level"), [(89, "green"), (90, "amber"), (91, "amber")])
def test_a_warning_begins_at_ninety_percent(name: str, percent: int, level: str) -> None:
    health = judge(LIMITED[name](percent), Limits())
    assert health.level == level
    assert [f"{percent} %" in warning for warning in health.warnings] == [True] * (percent >= 90)
    assert all(warning.startswith(name) for warning in health.warnings)


@pytest.mark.parametrize("name", VITAL)
def test_nothing_left_of_what_the_service_needs_is_red(name: str) -> None:
    assert judge(LIMITED[name](100), Limits()).level is Level.RED


@pytest.mark.parametrize("name", ["swap", "processor"])
def test_full_swap_and_a_busy_processor_are_no_more_than_a_warning(name: str) -> None:
    assert judge(LIMITED[name](100), Limits()).level is Level.AMBER


@pytest.mark.row("O025")
def test_the_service_may_use_900_megabytes() -> None:
    assert judge(service_memory(99.9), Limits()).level is Level.AMBER
    assert judge(service_memory(100), Limits()).level is Level.RED
    assert judge(service_memory(100), Limits(memory_mb=1800)).level is Level.GREEN


def test_the_worst_warning_stands_first() -> None:
    both = replace(service_memory(91), machine=disk(97).machine)
    first, second = judge(both, Limits()).warnings
    assert first.startswith("disk")
    assert second.startswith("memory of the service")


def test_what_cannot_be_seen_is_a_warning_and_not_a_zero() -> None:
    hidden = replace(
        EASY,
        service=replace(EASY.service, fds=None, fd_limit=None),
        tree=replace(EASY.tree, pss=None),
    )
    health = judge(hidden, Limits())
    assert health.level is Level.AMBER
    assert health.figures["fds"] is None
    assert len(health.warnings) == 2
    assert all("cannot be seen" in warning for warning in health.warnings)


def test_where_shared_memory_cannot_be_divided_it_is_counted_in_full() -> None:
    hidden = replace(EASY, tree=replace(EASY.tree, pss=None, rss=900 * MB))
    assert judge(hidden, Limits()).level is Level.RED


@pytest.mark.parametrize("limits", [(0, 90), (-1, 90), (900, 0), (900, 101), (float("nan"), 90)])
def test_limits_that_mean_nothing_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="Limits: limits are"):
        Limits(*limits)


# --- processor shares -------------------------------------------------------------------------


def later(seconds: float, *, cpu_s: float, busy_s: float) -> Reading:
    return replace(
        EASY,
        service=replace(EASY.service, cpu_s=EASY.service.cpu_s + cpu_s),
        machine=replace(
            EASY.machine, up_s=EASY.machine.up_s + seconds, busy_s=EASY.machine.busy_s + busy_s
        ),
    )


def test_the_first_processor_share_covers_the_time_since_the_start() -> None:
    figures = judge(EASY, Limits()).figures
    assert figures["cpu_percent"] == pytest.approx(1.0)  # 9 s of 900 s
    assert figures["machine_cpu_percent"] == pytest.approx(10.0)  # 200 s of 2 x 1000 s
    assert figures["cpu_over_s"] == pytest.approx(900.0)


def test_later_shares_cover_the_time_between_two_checks() -> None:
    readings = iter([EASY, later(10, cpu_s=2.5, busy_s=19.0)])
    monitor = HealthMonitor(reader=lambda: next(readings))
    monitor.check()
    health = monitor.check()
    assert health.figures["cpu_percent"] == pytest.approx(25.0)
    assert health.figures["machine_cpu_percent"] == pytest.approx(95.0)
    assert health.figures["cpu_over_s"] == pytest.approx(10.0)
    assert health.warnings == ("processor of the machine is at 95 %: load 0.30 over a minute",)


def test_the_figures_of_an_earlier_run_serve_as_the_earlier_check() -> None:
    earlier = judge(EASY, Limits()).figures
    monitor = HealthMonitor(reader=lambda: later(300, cpu_s=3.0, busy_s=6.0))
    figures = monitor.check(since=earlier).figures
    assert figures["cpu_percent"] == pytest.approx(1.0)
    assert figures["machine_cpu_percent"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"pid": 8}, id="another service"),
        pytest.param({"uptime_s": 999_999.0}, id="a machine started again"),
        pytest.param({"cpu_s": None}, id="figures that lack something"),
        pytest.param({"uptime_s": 1009.5}, id="too short a time"),
    ],
)
def test_figures_that_do_not_fit_are_not_compared_with(other: dict[str, float | None]) -> None:
    earlier = {**judge(EASY, Limits()).figures, **other}
    reading = later(10, cpu_s=1.0, busy_s=0.0)
    assert judge(reading, Limits(), since=earlier).figures["cpu_over_s"] == pytest.approx(910.0)


# --- replay -----------------------------------------------------------------------------------


def test_a_replay_has_no_machine_to_look_at() -> None:
    scope = Scope(now=NOW, plugin_id="infra_psutil_health", replay=True)
    with in_scope(scope), pytest.raises(NotInReplay, match="infra_psutil_health: the health of"):
        HealthMonitor(reader=lambda: EASY).check()


def test_a_live_run_may_look() -> None:
    with in_scope(Scope(now=NOW)):
        assert HealthMonitor(reader=lambda: EASY).check().level is Level.GREEN


# --- the real machine -------------------------------------------------------------------------


def procfs_rss(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / MB


def number(monitor: HealthMonitor, name: str) -> float:
    value = monitor.check().figures[name]
    assert isinstance(value, float | int)
    return value


@pytest.mark.row("O025")
def test_memory_agrees_with_procfs() -> None:
    assert number(HealthMonitor(), "rss_mb") == pytest.approx(procfs_rss(os.getpid()), rel=0.02)


def test_threads_and_descriptors_agree_with_procfs() -> None:
    figures = HealthMonitor().check().figures
    proc = Path("/proc/self")
    assert figures["threads"] == len(list((proc / "task").iterdir()))
    # Both have the folder open that they list.
    assert figures["fds"] == len(os.listdir(proc / "fd"))  # noqa: PTH208 - opens no more than psutil


def test_fifty_megabytes_more_are_seen() -> None:
    monitor = HealthMonitor()
    before = {name: number(monitor, name) for name in ("rss_mb", "tree_pss_mb")}
    block = bytearray(os.urandom(1)) * (50 * MB)
    risen = {name: number(monitor, name) - before[name] for name in before}
    assert len(block) == 50 * MB
    assert all(45 <= rise <= 60 for rise in risen.values()), risen


PROGRAM = """
import os, sys
from optifire.ops.health import HealthMonitor
if os.fork() == 0:
    figures = HealthMonitor().check().figures
    print(figures["pid"], figures["tree_processes"], flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.row("O025")
def test_a_worker_sees_the_service_and_not_itself(tmp_path: Path) -> None:
    zygote = tmp_path / "optifire" / "child.py"
    zygote.parent.mkdir()
    zygote.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run([sys.executable, zygote], capture_output=True, text=True, check=True)
    pid, processes = map(int, done.stdout.split())
    assert pid == os.getpid()
    assert processes >= 3  # this process, the zygote and its fork
