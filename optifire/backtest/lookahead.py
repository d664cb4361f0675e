"""Looks for plugins that see the future: change all data after an instant and play again.

Whatever a plugin said before that instant must stay; an output that changes has used data that
nobody could have known.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from optifire.backtest.compare import Difference, Scope, differences
from optifire.backtest.playing import replay
from optifire.backtest.replay import ReplayOptions
from optifire.host.findings import Finding, Level

if TYPE_CHECKING:
    from optifire.core.calendar import Calendar
    from optifire.host.home import Home

RULE = "lookahead"


@dataclass(frozen=True, slots=True)
class Window:
    """Which sessions are played; the data is changed after the close of the last one."""

    first: date
    last: date
    cut: datetime


def window(calendar: Calendar, last: date, sessions: int) -> Window:
    """Give the window of so many sessions that ends on or before a date."""
    found = calendar.sessions(last - timedelta(days=3 * sessions + 10), last)[-sessions:]
    return Window(found[0].date, found[-1].date, found[-1].close)


async def lookahead(
    home: Home, where: Window, plugins: tuple[str, ...] | None = None, workers: int = 2
) -> list[Finding]:
    """Give one error for each plugin whose outputs before the cut change with data after it.

    Raises
    ------
    OptifireError
        As a replay does.
    """
    with tempfile.TemporaryDirectory(prefix="optifire-") as folder:
        plain, shifted = Path(folder) / "plain.db", Path(folder) / "shifted.db"
        options = ReplayOptions(where.first, where.last, plugins, plain, workers)
        played = await replay(home, options)
        await replay(home, replace(options, db=shifted, shift_after=where.cut))
        begin = where.cut - timedelta(days=3660)
        scope = Scope(frozenset(played.statuses), begin, where.cut)
        found = await differences(plain, shifted, scope)
    by_plugin: dict[str, list[Difference]] = {}
    for difference in found:
        by_plugin.setdefault(difference.run_id.partition("@")[0], []).append(difference)
    return [_finding(plugin_id, by_plugin[plugin_id], where) for plugin_id in sorted(by_plugin)]


def _finding(plugin_id: str, found: list[Difference], where: Window) -> Finding:
    first = found[0]
    message = (
        f"looks ahead: {first.part} of {first.run_id} changed from {first.ours} to {first.theirs} "
        f"when only data after {where.cut:%Y-%m-%dT%H:%M:%SZ} was changed ({len(found)} runs)"
    )
    remedy = "Read data through DataFeed or context.data, which end at context.now"
    return Finding(RULE, Level.ERROR, plugin_id, message, remedy)
