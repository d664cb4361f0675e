"""Measures the named workloads, prints the table and, where asked to, writes the rounds as JSON."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    apis,
    beats,
    bursts,
    busy,
    frame,
    homes,
    inlines,
    instants,
    layers,
    ledgers,
    meters,
    processes,
    replays,
    report,
    residents,
    sandboxes,
    soaks,
    stops,
)
from benchmarks.measure import Figure, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WORKLOADS: Mapping[str, Callable[[Settings], list[Figure]]] = {
    "W1": bursts.w1,
    "W2": bursts.w2,
    "W3": beats.w3,
    "W4": homes.w4,
    "W5": homes.w5,
    "W6": instants.w6,
    "W7": processes.w7,
    "W8": replays.w8,
    "W9": busy.w9,
    "ledger": ledgers.ledger,
    "inline": inlines.inline,
    "meter": meters.meter,
    "resident": residents.resident,
    "sandbox": sandboxes.sandbox,
    "layers": layers.layers,
    "stop": stops.stop,
    "frame": frame.frame,
    "soak": soaks.soak,
    "api": apis.api,
}


def main(arguments: Sequence[str]) -> int:
    """Run the bench; always gives 0, because a figure is no test."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = [*WORKLOADS, "all"]
    parser.add_argument("workloads", nargs="*", metavar="W", help=", ".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file")
    parser.add_argument("--rounds", type=int, default=7, help="how often each has its turn")
    parser.add_argument("--runs", type=int, nargs="+", help="sizes of the bursts of W1")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long W3 fires")
    parser.add_argument("--idle", type=float, default=30.0, help="how long W4 watches")
    asked = parser.parse_args(arguments)
    wanted = [name for name in WORKLOADS if not asked.workloads or name in asked.workloads]
    wanted = list(WORKLOADS) if "all" in asked.workloads else wanted
    if unknown := set(asked.workloads) - set(names):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}")
    # What the peer says of jobs that end with its own shutdown is no part of the figures.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="optifire-bench-") as folder:
        settings = Settings(
            Path(folder),
            rounds=asked.rounds,
            runs=tuple(asked.runs or (1_000, 10_000)),
            seconds=asked.seconds,
            idle=asked.idle,
        )
        for name in wanted:
            sys.stderr.write(f"{name} ...\n")
            figures += WORKLOADS[name](settings)
    report.show(figures)
    if asked.json is not None:
        asked.json.write_text(report.as_json(figures) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
