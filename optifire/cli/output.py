"""What a command prints: JSON, or text for people; rich is imported only where a table is shown."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from optifire.host.records import error_of, finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType

    from optifire.core.errors import OptifireError

#: Columns that wider ones of a table may be folded to, and those between two columns.
NARROWEST, GAP = 30, 2
PLAIN_WIDTH = 160  # columns that text is laid out for when it does not go to a terminal
#: Colours of statuses and levels; words say the same, so nothing is lost without them.
COLOURS = {
    "succeeded": "green", "failed": "red", "timed_out": "red", "crashed": "red", "lost": "red",
    "over_budget": "red", "unknown": "red", "missed": "yellow", "skipped": "yellow",
    "refused": "yellow", "cancelled": "yellow", "preempted": "yellow", "coalesced": "cyan",
    "running": "bold cyan", "due": "cyan", "green": "green", "amber": "yellow", "red": "red",
    "error": "red", "paused": "magenta", "warning": "yellow", "note": "cyan",
}  # fmt: skip


@dataclass(slots=True)
class Output:
    """Where a command writes, and whether a program or a person reads it."""

    json: bool
    stdout: TextIO
    stderr: TextIO

    def data(self, value: object) -> None:
        """Print a value as JSON."""
        text = json.dumps(finite(value), indent=2, ensure_ascii=False)
        self.stdout.write(text + "\n")

    def line(self, text: str = "") -> None:
        """Print one line as it is."""
        self.stdout.write(text + "\n")

    def note(self, text: str) -> None:
        """Print a remark beside the answer."""
        self.stderr.write(text + "\n")

    def error(self, error: OptifireError) -> None:
        """Print an error: what, where, and what to do."""
        if self.json:
            self.stderr.write(json.dumps({"error": error_of(error)}, ensure_ascii=False) + "\n")
            return
        place = f"{error.where}: " if error.where else ""
        cure = f"\n  {error.remedy}" if error.remedy else ""
        self.stderr.write(f"error: {place}{error.message}{cure}\n")

    def console(self) -> Console:
        """Give a console for tables: colours only on a terminal, and never with NO_COLOR."""
        return console_on(self.stdout)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
    ) -> None:
        """Print rows below their headings; figures are aligned to the right.

        A cell that is a `rich.text.Text` keeps its own style.
        """
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=box.SIMPLE_HEAD,
            title=title or None,
            title_justify="left",
            pad_edge=False,
            collapse_padding=True,
        )
        given = [list(row) for row in rows]
        cells = [[shown(cell) for cell in row] for row in given]
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for index, name in enumerate(columns):
            figures = bool(cells) and all(is_figure(row[index]) for row in cells)
            table.add_column(
                name,
                justify="right" if figures else "left",
                overflow="fold",
                no_wrap=widths[index] <= NARROWEST,
            )
        least = sum(min(width, NARROWEST) + GAP for width in widths)
        for row, texts in zip(given, cells, strict=True):
            styled = (Text(text, style=COLOURS.get(text, "")) for text in texts)
            pairs = zip(row, styled, strict=True)
            table.add_row(*(cell if isinstance(cell, Text) else text for cell, text in pairs))
        self.show(table, least)

    def show(self, drawing: RenderableType, least: int = 0) -> None:
        """Print what rich draws, without blanks at the ends of lines.

        What needs more columns than there are (``least``) is not squeezed into them: ids and
        instants cut into slivers say less than a line that goes on below.
        """
        console = self.console()
        console.width = max(console.width, least)
        with console.capture() as drawn:
            console.print(drawing)
        self.line("\n".join(line.rstrip() for line in drawn.get().splitlines()).strip("\n"))


def console_on(stream: TextIO) -> Console:
    """Give a console on a stream; text that goes elsewhere is not broken at 80 columns."""
    from rich.console import Console

    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def shown(cell: object) -> str:
    """Give a cell as text: nothing for None, figures with at most one decimal."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:,.1f}" if isinstance(cell, float) else str(cell)


def is_figure(text: str) -> bool:
    """Tell whether a cell is empty or a number."""
    return not text.strip("0123456789.,-%")


def standard(*, as_json: bool) -> Output:
    """Give the output of this process."""
    return Output(as_json, sys.stdout, sys.stderr)
