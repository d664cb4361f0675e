"""The meter: rates between two moments, and real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from optifire.ops.meter import Meter, Moment, sample_of
from optifire.ops.readings import MachineReading, ServiceReading, TreeReading, read_tree

MB = 1_000_000
FIRST = Moment(
    at=50.0,
    service=ServiceReading(
        pid=7, started_s=100.0, cpu_s=9.0, rss=60 * MB, threads=4, fds=20, fd_limit=1000
    ),
    tree=TreeReading(processes=3, rss=180 * MB, pss=None, cpu_s=12.0, threads=6),
    machine=MachineReading(
        cores=2,
        up_s=1000.0,
        busy_s=200.0,
        load_1m=0.3,
        memory_total=8000 * MB,
        memory_available=6000 * MB,
        swap_total=0,
        swap_used=0,
        disk_total=100_000 * MB,
        disk_free=70_000 * MB,
        disk_percent=30.0,
        group=None,
    ),
)


def later(seconds: float, *, service: float, tree: float, busy: float) -> Moment:
    return Moment(
        FIRST.at + seconds,
        replace(FIRST.service, cpu_s=FIRST.service.cpu_s + service),
        replace(FIRST.tree, cpu_s=FIRST.tree.cpu_s + tree),
        replace(FIRST.machine, busy_s=FIRST.machine.busy_s + busy),
    )


def test_the_first_sample_knows_no_rates() -> None:
    sample = sample_of(FIRST, None)
    assert sample.cpu_percent is None
    assert sample.machine_cpu_percent is None
    assert sample.rss_mb == 180
    assert sample.memory_percent == 25


def test_rates_are_those_since_the_sample_before() -> None:
    sample = sample_of(later(2, service=0.1, tree=1.0, busy=3.0), FIRST)
    assert sample.service_cpu_percent == pytest.approx(5)
    assert sample.cpu_percent == pytest.approx(50)
    assert sample.machine_cpu_percent == pytest.approx(75)


def test_a_stretch_too_short_for_the_kernels_clock_gives_no_rate() -> None:
    assert sample_of(later(0.05, service=0.0, tree=0.0, busy=0.0), FIRST).cpu_percent is None


def test_a_lost_process_never_gives_a_negative_rate() -> None:
    assert sample_of(later(1, service=0.0, tree=-5.0, busy=0.0), FIRST).cpu_percent == 0


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Give a child that holds 40 MB and waits for the end of its input."""
    code = f"import sys; x = bytearray(b'x') * {40 * MB}; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        yield child
        assert child.stdin is not None
        child.stdin.close()


def test_children_count_and_are_gone_when_they_end(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    ticks = iter([1.0, 2.0])
    meter = Meter(os.getpid(), tmp_path, lambda: next(ticks))
    with_child = meter.sample(deep=True)
    sleeper.communicate()
    without = meter.sample(deep=True)
    assert with_child.processes == without.processes + 1
    assert with_child.rss_mb - without.rss_mb > 40
    assert with_child.pss_mb is not None
    assert without.pss_mb is not None
    assert with_child.pss_mb - without.pss_mb > 40


def test_memory_shares_are_read_only_when_asked_for(tmp_path: Path) -> None:
    meter = Meter(os.getpid(), tmp_path, lambda: 1.0)
    assert meter.sample().pss_mb is None
    assert meter.sample(deep=True).pss_mb is not None


def test_who_asks_again_within_the_age_is_given_the_same_sample(tmp_path: Path) -> None:
    instants = [1.0]
    meter = Meter(os.getpid(), tmp_path, lambda: instants[-1])
    first = meter.recent(1.0)
    instants.append(2.0)
    assert meter.recent(1.0) is first
    instants.append(2.1)
    later = meter.recent(1.0)
    assert later is not first
    assert later.service_cpu_percent is not None


def test_a_child_that_ended_and_was_not_waited_for_has_no_memory() -> None:
    before = read_tree(os.getpid())
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        after = read_tree(os.getpid())
    assert after.processes == before.processes + 1
    assert after.pss is not None


def test_work_done_by_a_child_is_charged_to_the_tree(tmp_path: Path) -> None:
    ticks = iter([1.0, 2.0])
    meter = Meter(os.getpid(), tmp_path, lambda: next(ticks))
    meter.sample()
    burn = "import resource as r\nwhile r.getrusage(r.RUSAGE_SELF).ru_utime < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    sample = meter.sample()
    assert sample.cpu_percent is not None
    assert sample.service_cpu_percent is not None
    assert sample.cpu_percent - sample.service_cpu_percent >= 28


def test_a_sample_is_plain_values_by_name(tmp_path: Path) -> None:
    plain = Meter(os.getpid(), tmp_path, lambda: 1.0).sample().plain()
    assert plain["cpu_percent"] is None
    assert {type(value) for value in plain.values()} <= {int, float, type(None)}


def test_the_kernel_and_psutil_agree_on_who_descends_from_whom() -> None:
    nested = "import subprocess, sys; subprocess.run(['cat']); sys.exit()"
    with subprocess.Popen(
        [sys.executable, "-c", f"print('up', flush=True); {nested}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"up\n"
        # `cat` answers, so it is there and goes on waiting.
        child.stdin.write(b"there\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"there\n"
        root = psutil.Process()
        everyone = {process.pid for process in root.children(recursive=True)}
        assert read_tree(root.pid).processes == len(everyone) + 1
        assert len(everyone) >= 2
        child.stdin.close()
