"""Publishes a frame, or reads one, and says by its own figures what that took."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optifire.plugins import Plugin, PluginMetadata, PluginResult

COLUMNS = 10
#: Cells of one page of memory.
PAGE = 4096 // 8


class Frames(Plugin):
    """Does one of the two."""

    def describe(self) -> PluginMetadata:
        """Say what it is."""
        return PluginMetadata.create(plugin_id="frames", version="1.0.0", description="Frames")

    def plan(self) -> dict[str, Any]:
        """Never run by itself."""
        return {"schedule": "@manual"}

    async def run(self, context: Any) -> PluginResult:  # noqa: ANN401 - as plugins are written
        """Publish a frame of so many rows, or read one."""
        if "rows" in context.config:
            began = time.perf_counter()
            cells = np.arange(context.config["rows"] * COLUMNS, dtype="f8")
            frame = pd.DataFrame(cells.reshape(COLUMNS, -1).T, columns=list("abcdefghij"))
            used = {"own_ms": (time.perf_counter() - began) * 1e3}
            return PluginResult(success=True, data={"frame": frame, "used": used})
        before = own_mb()
        frame = context.data["frame"]
        seen = total(frame) if context.config["all"] else float(frame["j"].iloc[-1])
        used = {"cells": seen, "own_ms": 0.0, "mb": own_mb() - before}
        return PluginResult(success=True, data={"used": used})


def total(frame: pd.DataFrame) -> float:
    """Give the sum of one cell of each page, so that all of them are touched."""
    return float(sum(frame[name].to_numpy()[::PAGE].sum() for name in frame))


def own_mb() -> float:
    """Give the resident memory that is this process's alone, in MiB (proc(5), RssAnon)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024
