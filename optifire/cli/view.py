"""The live screen as a pure function of a status: what runs, what is next, and what it costs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from optifire.cli.output import COLOURS
from optifire.cli.view_lower import lower as lower_half
from optifire.cli.view_lower import summary
from optifire.cli.view_parts import (
    WHEN,
    bar,
    ends,
    local_time,
    one_line,
    plain_table,
    shown_zone,
    soon,
    value_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from optifire.cli.scene import PluginStatus, Status, View

#: Cells of a bar that compares a figure with its budget.
BAR = 4
#: Cells of the bar that shows how far the demo has come.
LONG_BAR = 8
#: Lines of the head, of both headings, and the empty ones between.
FRAME = 7
#: The share of the rest that plugins get when they do not all fit.
PLUGIN_SHARE = 0.6
#: Fewest lines of the lower half that say anything.
FEWEST = 3
#: States that a person should look at first.
URGENT = ("failed", "timed_out", "crashed", "over_budget", "lost", "unknown")
DOTS = {"running": "▶", "succeeded": "●", "due": "◌"}


def render(status: Status, size: tuple[int, int]) -> RenderableType:
    """Give the screen for a status.

    Parameters
    ----------
    status
        What the service says of itself (`optifire.cli.scene`).
    size
        Columns and lines to fill; made for 80 x 24 and everything larger.

    Returns
    -------
    RenderableType
        At most as many lines as ``size`` has, none wider.
    """
    width, height = size
    room = max(height - FRAME, 2 * FEWEST)
    wanted = len(status["plugins"])
    rows = min(wanted, max(room - FEWEST, int(room * PLUGIN_SHARE)) if room > FEWEST else room)
    if status["state"] == "finished":
        lower = summary(status, room - rows)
    else:
        lower = lower_half(status, width, room - rows)
    return Group(*_head(status, width), Text(), _plugins(status, rows, width), Text(), lower)


# --- head ---------------------------------------------------------------------------------------


def _head(status: Status, width: int) -> Iterable[RenderableType]:
    view = status.get("view")
    tz = view["tz"] if view else "UTC"
    left = Text.assemble(("OptiFIRE ", "bold"), status["environment"])
    if status["recorded"]:
        left.append(" · ")
        left.append("recorded data", "bold magenta")
    yield ends(left, Text(local_time(status["now"], tz, "%a %Y-%m-%d %H:%M:%S %Z"), "bold"), width)
    yield ends(_market(status), _health(status), width)
    yield one_line(_highlights(view), width)


def _market(status: Status) -> Text:
    view = status.get("view")
    if view is None:
        return Text(status["state"])
    hours = {"regular": "market open", "closed": "market closed"}.get(view["phase"], view["phase"])
    over = status["state"] == "finished"
    text = Text("the demo is over" if over else hours)
    if view["half_day"] and not over:
        text.append(" · half day", "yellow")
    if view["total"]:
        share = view["done"] / view["total"]
        text.append(f" · {view['done']}/{view['total']} sessions ")
        text.append_text(bar(share, LONG_BAR, "cyan"))
    return text


def _health(status: Status) -> Text:
    level, reasons = status["health"]["level"], status["health"]["reasons"]
    colour = COLOURS.get(level, "")
    text = Text.assemble(("● ", colour), (level, colour))
    return text.append(f" {reasons[0]}") if reasons else text


def _highlights(view: View | None) -> Text:
    text = Text()
    for name, value in view["highlights"].items() if view else ():
        text.append(f"{name} ", "dim")
        text.append(f"{value_text(value)}   ", "bold")
    return text


# --- plugins ------------------------------------------------------------------------------------


def _plugins(status: Status, rows: int, width: int) -> Table:
    table = plain_table(width)
    table.add_column("plugin", ratio=1, no_wrap=True, overflow="ellipsis")
    for name, cells in (("status", 11), ("due", 5), ("cpu / budget", 12), ("mem / budget", 12)):
        table.add_column(name, width=cells, no_wrap=True)
    table.add_column("next", width=WHEN, no_wrap=True)
    view, tz = status.get("view"), shown_zone(status)
    now = datetime.fromisoformat(status["now"])
    going = {each["plugin_id"]: each["status"] for each in status["running"]}
    ordered = sorted(status["plugins"].items(), key=lambda item: _rank(item[1], item[0] in going))
    hidden = len(ordered) - rows
    visible = ordered[: rows - 1] if hidden > 0 else ordered
    for plugin_id, plugin in visible:
        due = soon(view["upcoming"].get(plugin_id) if view else None, tz, now)
        row = _plugin_row(plugin_id, plugin, tz, going.get(plugin_id, ""))
        table.add_row(*row, Text(due, "cyan"))
    if hidden > 0:
        table.add_row(Text(f"and {len(ordered) - len(visible)} more", "dim"))
    return table


def _rank(plugin: PluginStatus, running: bool) -> tuple[int]:  # noqa: FBT001 - a sort key
    """Put first what goes on, then what is in trouble; ids stay in their order."""
    last = plugin["last"]
    if running:
        return (0,)
    if plugin["state"] == "error" or (last and last["status"] in URGENT):
        return (1,)
    return (2,)


def _plugin_row(plugin_id: str, plugin: PluginStatus, tz: str, going: str) -> Sequence[Text]:
    last, budget = plugin["last"], plugin["budget"]
    word = going or (last["status"] if last else "waiting")
    if plugin["state"] == "error":
        word = "error"
    elif plugin.get("paused") and not going:
        word = "paused"
    colour = COLOURS.get(word, "dim")
    return (
        Text.assemble((f"{DOTS.get(word, '○')} ", colour), plugin_id),
        Text(word, colour),
        Text(local_time(last["due"], tz, "%H:%M") if last else "", "dim"),
        _used(last["cpu_ms"] if last else None, budget["cpu_ms"] if budget else None, "ms"),
        _used(last["mem_mb"] if last else None, budget["mem_mb"] if budget else None, "MB"),
    )


def _used(figure: float | None, budget: float | None, unit: str) -> Text:
    """Give a figure with a bar that fills up towards its budget."""
    if figure is None:
        return Text("")
    text = Text(f"{figure:4.0f} {unit}")
    if budget:
        share = figure / budget
        colour = "green" if share <= 0.7 else "yellow" if share <= 1 else "red"  # noqa: PLR2004
        text.append(" ").append_text(bar(share, BAR, colour))
    return text
