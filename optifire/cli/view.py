"""The live screen as a pure function of a status: what runs, what is next, and what it costs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optifire.cli.output import COLOURS, shown
from optifire.cli.scene import total

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optifire.cli.scene import Coming, LastRun, PluginStatus, Status, View

#: Cells of a bar that compares a figure with its budget.
BAR = 4
#: Cells of the bar that shows how far the demo has come.
LONG_BAR = 8
#: Columns that a bundled plugin's id takes with its dot, and those of an instant to come.
NAME, WHEN, TRIGGER = 24, 9, 14
#: From this width on there is room for the schedule word of what is next.
WIDE = 100
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
        lower = _summary(status, room - rows)
    else:
        lower = _lower(status, width, room - rows)
    return Group(*_head(status, width), Text(), _plugins(status, rows, width), Text(), lower)


# --- head ---------------------------------------------------------------------------------------


def _head(status: Status, width: int) -> Iterable[RenderableType]:
    view = status.get("view")
    tz = view["tz"] if view else "UTC"
    left = Text.assemble(("OptiFIRE ", "bold"), status["environment"])
    if status["recorded"]:
        left.append(" · ")
        left.append("recorded data", "bold magenta")
    yield _ends(left, Text(_local(status["now"], tz, "%a %Y-%m-%d %H:%M:%S %Z"), "bold"), width)
    yield _ends(_market(status), _health(status), width)
    yield _line(_highlights(view), width)


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
        text.append_text(_bar(share, LONG_BAR, "cyan"))
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
        text.append(f"{_value(value)}   ", "bold")
    return text


# --- plugins ------------------------------------------------------------------------------------


def _plugins(status: Status, rows: int, width: int) -> Table:
    table = _table(width)
    table.add_column("plugin", ratio=1, no_wrap=True, overflow="ellipsis")
    for name, cells in (("status", 11), ("due", 5), ("cpu / budget", 12), ("mem / budget", 12)):
        table.add_column(name, width=cells, no_wrap=True)
    table.add_column("next", width=WHEN, no_wrap=True)
    view, tz = status.get("view"), _zone(status)
    now = datetime.fromisoformat(status["now"])
    going = {each["plugin_id"]: each["status"] for each in status["running"]}
    ordered = sorted(status["plugins"].items(), key=lambda item: _rank(item[1], item[0] in going))
    hidden = len(ordered) - rows
    visible = ordered[: rows - 1] if hidden > 0 else ordered
    for plugin_id, plugin in visible:
        soon = _soon(view["upcoming"].get(plugin_id) if view else None, tz, now)
        row = _plugin_row(plugin_id, plugin, tz, going.get(plugin_id, ""))
        table.add_row(*row, Text(soon, "cyan"))
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
    colour = COLOURS.get(word, "dim")
    return (
        Text.assemble((f"{DOTS.get(word, '○')} ", colour), plugin_id),
        Text(word, colour),
        Text(_local(last["due"], tz, "%H:%M") if last else "", "dim"),
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
        text.append(" ").append_text(_bar(share, BAR, colour))
    return text


def _soon(due: str | None, tz: str, now: datetime) -> str:
    """Give the time of an instant, with its weekday if it is not today, or its date if far."""
    if due is None:
        return ""
    zone = ZoneInfo(tz)
    local, today = datetime.fromisoformat(due).astimezone(zone), now.astimezone(zone)
    days = (local.date() - today.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if 0 < days < 7 else f"{local:%Y-%m-%d}"[2:]  # noqa: PLR2004


# --- below --------------------------------------------------------------------------------------


def _lower(status: Status, width: int, lines: int) -> Table:
    wide = width >= WIDE
    left = NAME + WHEN + (TRIGGER + 1 if wide else 0)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=left)
    grid.add_column(width=width - left - 2)
    view = status.get("view")
    latest = view["latest"] if view else []
    grid.add_row(
        _next_table(_coming(status)[:lines], status, left, wide=wide),
        _latest_table(latest[:lines], _zone(status), width - left - 2),
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
    table = _table(width)
    table.add_column("next", width=WHEN, no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", width=TRIGGER if wide else 0, no_wrap=True, overflow="ellipsis")
    now = datetime.fromisoformat(status["now"])
    for each in coming:
        when = Text(_soon(each["due"], _zone(status), now), "cyan")
        word = Text(each["trigger"] if wide else "", "dim")
        table.add_row(when, Text(each["plugin_id"]), word)
    return table


def _latest_table(latest: Sequence[tuple[str, LastRun]], tz: str, width: int) -> Table:
    table = _table(width)
    table.add_column("done", width=5, no_wrap=True)
    table.add_column("", width=NAME - 2, no_wrap=True, overflow="ellipsis")
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for plugin_id, run in latest:
        said = f"{run['status']}: {run['reason']}" if run["reason"] else run["status"]
        table.add_row(
            Text(_local(run["due"], tz, "%H:%M"), "dim"),
            Text(plugin_id),
            Text(said, COLOURS.get(run["status"], "")),
        )
    return table


def _summary(status: Status, lines: int) -> RenderableType:
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


# --- small parts --------------------------------------------------------------------------------


def _table(width: int) -> Table:
    return Table(
        box=None, width=width, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold dim"
    )


def _ends(left: Text, right: Text, width: int) -> Text:
    """Give one line with something at each end; the left one gives way."""
    left.truncate(max(width - right.cell_len - 1, 1), overflow="ellipsis")
    left.append(" " * max(width - left.cell_len - right.cell_len, 1))
    return _line(left.append_text(right), width)


def _line(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text


def _bar(share: float, width: int, colour: str) -> Text:
    full = min(round(share * width), width)
    return Text.assemble(("█" * full, colour), ("░" * (width - full), "dim"))


def _value(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else shown(value)


def _zone(status: Status) -> str:
    view = status.get("view")
    return view["tz"] if view else "UTC"


def _local(instant: str, tz: str, form: str) -> str:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(tz)).strftime(form)
