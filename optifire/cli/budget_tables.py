"""What plugins cost, as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optifire.core.history import HEADROOM, LEAST_CPU_MS, LEAST_MEM_MB
from optifire.core.limits import CPU_FACTOR, MEM_SLACK_MB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.text import Text

    from optifire.cli.advice import Change
    from optifire.cli.output import Output

#: Cells of a bar.
BAR = 12
#: From this part of a budget on a bar is yellow, above the whole of it red.
TIGHT, FULL = 0.8, 1.0
WHAT = {"cpu_ms": ("cpu ms", "cpu"), "mem_mb": ("mem MB", "memory")}


def show_costs(rows: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Print two lines for each plugin: processor time, and peak memory."""
    terminal = output.console().is_terminal
    columns = ("plugin", "runs", "", "p50", "p99", "max", "budget", "limit")
    lines = [line for row in rows for line in _lines(row, terminal=terminal)]
    output.table([*columns, "p99 of budget", "measured", "over"], lines)
    output.line(
        f"a run is stopped at its limit of processor time ({CPU_FACTOR:g} times the budget), and "
        f"{MEM_SLACK_MB:g} MB above that of memory; inline runs are only marked"
    )


def _lines(row: Mapping[str, Any], *, terminal: bool) -> list[list[object]]:
    how = ", ".join(f"{name} {runs:,}" for name, runs in row["measured"].items())
    name = row["plugin_id"] if row["enabled"] else f"{row['plugin_id']} (off)"
    heads = ((name, f"{row['runs']:,}", how), ("", "", ""))
    lines: list[list[object]] = []
    for (key, (unit, what)), (plugin, runs, measured) in zip(WHAT.items(), heads, strict=True):
        figures = row[key]
        part = f" of {figures['runs']:,}" if 0 < figures["runs"] < row["runs"] else ""
        said = [_number(figures[name]) for name in ("p50", "p99", "max", "budget", "limit")]
        bar = use_bar(figures["use"], terminal=terminal)
        lines.append(
            [plugin, runs, unit + part, *said, bar, measured, _over(row["breaches"], what)]
        )
    return lines


def show_advice(rows: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Print two lines for each plugin: the suggestion for each part of its budget."""
    lines: list[list[object]] = []
    for row in rows:
        heads = ((row["plugin_id"], "; ".join(row["remarks"])), ("", ""))
        for (key, (unit, _)), (plugin, remarks) in zip(WHAT.items(), heads, strict=True):
            part = row[key]
            said = [_number(part["p99"]), _number(part["budget"]), part["suggested"]]
            lines.append([plugin, unit, f"{part['runs']:,}", *said, remarks])
    output.table(["plugin", "", "runs", "p99", "budget", "suggested", "remarks"], lines)
    output.line(
        f"suggested: {HEADROOM:g} times the p99 of runs that succeeded, rounded up, at least "
        f"{LEAST_CPU_MS} ms and {LEAST_MEM_MB} MB; `optifire budgets apply` writes it"
    )


def show_changes(planned: Sequence[Change], output: Output) -> None:
    """Print a line for each part of a budget that changes."""
    rows = [
        (each.plugin_id, WHAT[key][0], _number(each.before[key]), _number(each.after[key]))
        for each in planned
        for key in each.after
    ]
    output.table(["plugin", "", "before", "after"], rows)


def _over(breaches: Mapping[str, Mapping[str, int]], what: str) -> str:
    """Say how many runs were over budget, and how many were stopped for it."""
    said = [(breaches["soft"][what], "marked"), (breaches["hard"][what], "stopped")]
    return ", ".join(f"{count:,} {word}" for count, word in said if count)


def use_bar(use: float | None, *, terminal: bool) -> Text | str:
    """Give a bar with its percentage; plain signs where it does not go to a terminal."""
    from rich.text import Text

    from optifire.cli.view_parts import bar

    if use is None:
        return ""
    percent = f" {use:.0%}"
    if not terminal:
        full = min(round(use * BAR), BAR)
        return f"[{'#' * full}{'.' * (BAR - full)}]{percent}"
    colour = "red" if use > FULL else "yellow" if use >= TIGHT else "green"
    return Text.assemble(bar(use, BAR, colour), percent)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
