"""Reads the clock in the way that `config["how"]` names."""

# mypy: ignore-errors

from __future__ import annotations

import datetime
import datetime as dt
import time
import time as clock
from datetime import date
from datetime import datetime as when
from time import perf_counter

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult

KNOWN = when(2018, 1, 2, tzinfo=dt.UTC)


def _late() -> float:
    import time as late

    return late.time()


def _pandas(name: str) -> object:
    import pandas as pd

    return pd.Timestamp("now") if name == "text" else getattr(pd.Timestamp, name)()


HOW = {
    "time.time": lambda: time.time(),
    "alias": lambda: clock.monotonic_ns(),
    "name": lambda: perf_counter(),
    "strftime": lambda: time.strftime("%Y"),
    "now": lambda: when.now(dt.UTC),
    "utcnow": lambda: dt.datetime.utcnow(),
    "today": lambda: date.today(),
    "module": lambda: datetime.datetime.today(),
    "late": _late,
    "pandas now": lambda: _pandas("now"),
    "pandas text": lambda: _pandas("text"),
}


class Subject(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(plugin_id="clocks", version="1", description="for a test")

    def plan(self) -> dict[str, object]:
        return {"schedule": "@manual"}

    async def run(self, context: PluginContext) -> PluginResult:
        if context.config["how"] != "not at all":
            HOW[context.config["how"]]()
            return PluginResult(success=True)
        made = when.fromisoformat("2018-01-02T00:00:00+00:00")
        return PluginResult(
            success=True,
            data={
                "same": made == KNOWN and type(made) is type(context.now),
                "is": isinstance(context.now, when) and isinstance(KNOWN, dt.date),
                "span": (KNOWN - made) == dt.timedelta(0),
                "text": time.strftime("%Y", time.gmtime(0)),
                "parsed": when.strptime("2018", "%Y").year,
            },
        )
