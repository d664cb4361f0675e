"""Small parts of the live screen: lines, tables, bars, times."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from optifire.cli.output import shown

if TYPE_CHECKING:
    from optifire.cli.scene import Status

#: Columns that a bundled plugin's id takes with its dot, and those of an instant to come.
NAME, WHEN = 24, 9


def plain_table(width: int) -> Table:
    """Give a table without lines; columns are added by who fills it."""
    return Table(
        box=None, width=width, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold dim"
    )


def ends(left: Text, right: Text, width: int) -> Text:
    """Give one line with something at each end; the left one gives way."""
    left.truncate(max(width - right.cell_len - 1, 1), overflow="ellipsis")
    left.append(" " * max(width - left.cell_len - right.cell_len, 1))
    return one_line(left.append_text(right), width)


def one_line(text: Text, width: int) -> Text:
    """Give the text cut to one line."""
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text


def bar(share: float, width: int, colour: str) -> Text:
    """Give a bar of so many cells, filled by a share from 0 to 1; more than 1 is full."""
    full = min(round(share * width), width)
    return Text.assemble(("█" * full, colour), ("░" * (width - full), "dim"))


def value_text(value: object) -> str:
    """Give a value of the shared context, numbers with four digits."""
    return f"{value:,.4g}" if isinstance(value, float) else shown(value)


def shown_zone(status: Status) -> str:
    """Give the zone of times on the screen."""
    view = status.get("view")
    return view["tz"] if view else "UTC"


def local_time(instant: str, tz: str, form: str) -> str:
    """Give an instant's text in a zone."""
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(tz)).strftime(form)


def soon(due: str | None, tz: str, now: datetime) -> str:
    """Give the time of an instant, with its weekday if it is not today, or its date if far."""
    if due is None:
        return ""
    zone = ZoneInfo(tz)
    local, today = datetime.fromisoformat(due).astimezone(zone), now.astimezone(zone)
    days = (local.date() - today.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if 0 < days < 7 else f"{local:%Y-%m-%d}"[2:]  # noqa: PLR2004
