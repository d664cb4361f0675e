"""The figures of a run of the bench: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Figure

THOUSAND = 1_000
_HEADINGS = ("", "workload", "unit", "floor", "peer", "ours", "ours/floor", "peer/ours")


def table(figures: Sequence[Figure]) -> Table:
    """Give the figures as a table, one target a line."""
    made = Table(title="medians; ratios are medians of the ratios of rounds", title_justify="left")
    for heading in _HEADINGS:
        made.add_column(heading, justify="left" if heading in _HEADINGS[:3] else "right")
    made.add_column("target")
    made.add_column("")
    for figure in figures:
        made.add_row(
            figure.workload,
            figure.name,
            figure.unit,
            _median(figure.floor),
            _median(figure.peer),
            _median(figure.ours),
            _number(figure.over_floor),
            _number(figure.ahead_of_peer),
            "\n".join(str(target) for target in figure.targets),
            "\n".join("met" if figure.meets(target) else "MISSED" for target in figure.targets),
        )
    return made


def show(figures: Sequence[Figure]) -> None:
    """Print the table and the notes below it."""
    console = Console(width=None if os.isatty(1) else 150)
    console.print(table(figures))
    for figure in figures:
        if figure.note:
            console.print(f"{figure.workload} {figure.name}: {figure.note}", highlight=False)


def as_json(figures: Sequence[Figure]) -> str:
    """Give machine, versions and every round of every figure."""
    said = {
        "machine": {
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "apscheduler": version("apscheduler"),
        },
        "figures": [_plain(figure) for figure in figures],
    }
    return json.dumps(said, indent=2)


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        "workload": figure.workload,
        "name": figure.name,
        "unit": figure.unit,
        "floor": list(figure.floor),
        "peer": list(figure.peer),
        "ours": list(figure.ours),
        "over_floor": figure.over_floor,
        "ahead_of_peer": figure.ahead_of_peer,
        "targets": {str(target): figure.meets(target) for target in figure.targets},
        "note": figure.note,
    }


def _median(values: Sequence[float]) -> str:
    return _number(statistics.median(values)) if values else "-"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if value < THOUSAND else f"{value:,.0f}"
