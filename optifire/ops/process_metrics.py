"""The service as a process, by the names that Prometheus has for those."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from optifire.ops.exposition import Family, Sample, counter, gauge
from optifire.ops.readings import read_service, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator


def process_families(pid: int) -> Iterator[Family]:
    """Give what the process of the service uses, and what it uses with all its workers.

    The names of the first five are those that client libraries have for any process
    (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
    """
    own = read_service(pid)
    yield counter(
        "process_cpu_seconds_total",
        "Processor time of the service's own process, user and system.",
        [Sample(own.cpu_s)],
    )
    yield gauge(
        "process_resident_memory_bytes",
        "Resident memory of the service's own process.",
        own.rss,
    )
    yield gauge("process_open_fds", "Open files of the service's own process.", own.fds)
    yield gauge("process_max_fds", "Most open files that it may have.", own.fd_limit)
    yield gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        psutil.boot_time() + own.started_s,
    )
    tree = read_tree(pid, deep=False)
    yield gauge("optifire_processes", "Processes of the service, workers included.", tree.processes)
    yield gauge(
        "optifire_resident_memory_bytes",
        "Resident memory of all processes; pages that several share are counted by each.",
        tree.rss,
    )
