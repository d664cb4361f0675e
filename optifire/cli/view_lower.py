"""The lower half of the live screen: what is next and what ended, or a summary at the end."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optifire.cli.output import COLOURS
from optifire.cli.scene import total
from optifire.cli.view_parts import NAME, WHEN, local_time, plain_table, shown_zone, soon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.cli.scene import Coming, LastRun, Status

#: Columns of a schedule word, and the width of screen from which on there is room for it.
TRIGGER, WIDE = 14, 100


def lower(status: Status, width: int, lines: int) -> Table:
    """Give what is next beside what ended, in so many lines below one of headings."""
    wide = width >= WIDE
    left = NAME + WHEN + (TRIGGER + 1 if wide else 0)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=left)
    grid.add_column(width=width - left - 2)
    view = status.get("view")
    latest = view["latest"] if view else []
    grid.add_row(
        _next_table(_coming(status)[:lines], status, left, wide=wide),
        _latest_table(latest[:lines], shown_zone(status), width - left - 2),
    )
    return grid


def _coming(status: Status) -> list[Coming]:
    """Give what is next of each plugin, the earliest first: frequent jobs do not hide the rest."""
    view = status.get("view")
    words = {each["plugin_id"]: each["trigger"] for each in reversed(status["next"])}
    due = view["upcoming"] if view else {each["plugin_id"]: each["due"] for each in status["next"]}
    return [
        {"plugin_id": plugin_id, "due": instant, "trigger": words.get(plugin_id, "")}
        for plugin_id, instant in sorted(due.items(), key=lambda item: (item[1], item[0]))
    ]


def _next_table(coming: Sequence[Coming], status: Status, width: int, *, wide: bool) -> Table:
    table = plain_table(width)
    table.add_column("next", width=WHEN, no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", width=TRIGGER if wide else 0, no_wrap=True, overflow="ellipsis")
    now = datetime.fromisoformat(status["now"])
    for each in coming:
        when = Text(soon(each["due"], shown_zone(status), now), "cyan")
        word = Text(each["trigger"] if wide else "", "dim")
        table.add_row(when, Text(each["plugin_id"]), word)
    return table


def _latest_table(latest: Sequence[tuple[str, LastRun]], tz: str, width: int) -> Table:
    table = plain_table(width)
    table.add_column("done", width=5, no_wrap=True)
    table.add_column("", width=NAME - 2, no_wrap=True, overflow="ellipsis")
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for plugin_id, run in latest:
        said = f"{run['status']}: {run['reason']}" if run["reason"] else run["status"]
        table.add_row(
            Text(local_time(run["due"], tz, "%H:%M"), "dim"),
            Text(plugin_id),
            Text(said, COLOURS.get(run["status"], "")),
        )
    return table


def summary(status: Status, lines: int) -> RenderableType:
    """Give what a finished demo comes to: every status and how often."""
    counts = total(status["plugins"])
    said = Text("The demo is over. ", "bold")
    said.append(f"{counts.total():,} runs: ")
    for index, (name, number) in enumerate(counts.most_common()):
        said.append(", " if index else "").append(f"{number:,} {name}", COLOURS.get(name, ""))
    hints = (
        "optifire runs --limit 20      every run, with its reason",
        "optifire why PLUGIN           what its last run waited for",
        "optifire up --fresh           plays it again",
    )
    rest = [Text(f"  {hint}", "dim", no_wrap=True, overflow="ellipsis") for hint in hints]
    said.no_wrap, said.overflow = True, "ellipsis"
    return Group(Text(""), said, *rest[: max(lines - 1, 0)])
