"""What the kernel takes to lay the sandbox's layers: each around a bare fork that has all ready."""

from __future__ import annotations

import gc
import os
import statistics
import struct
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Figure, Settings, require
from optifire.workers.denied import Openings
from optifire.workers.landlock import READ, WITH_SCOPE, Ruleset, version
from optifire.workers.libraries import libraries
from optifire.workers.sandbox import lay_generic
from optifire.workers.seccomp import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Forks that count, and those before them.
FORKS = 100
WARM = 5
#: How many rules on files a run adds to those that its spare has: its own folders, and what is
#: recorded in the home.
RULES: Final = 7
STEPS: Final = (
    "no new privileges, no capabilities",
    f"{RULES} rules on files",
    "laying the rules",
    "laying the filter",
)
_FIGURES: Final = struct.Struct(f"{len(STEPS)}d")


def layers(settings: Settings) -> list[Figure]:
    """Measure each step that comes between the order and the plugin in a sandboxed spare."""
    require(version() > 0, expected=True, what="a kernel with Landlock")
    folders = [settings.fresh("place") for _ in range(RULES)]
    rows = [_laid([str(folder) for folder in folders]) for _ in range(FORKS + WARM)][WARM:]
    figures = [
        Figure("layers", name, "us", [statistics.median(kept)])
        for name, kept in zip(STEPS, zip(*rows, strict=True), strict=True)
    ]
    whole = [statistics.median(map(sum, rows))]
    note = "medians of bare forks; laid after the order, the sandbox cannot add less than this"
    return [*figures, Figure("layers", "all of them", "us", whole, note=note)]


def _laid(folders: Sequence[str]) -> tuple[float, ...]:
    """Give the microseconds of each step in one fork."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writer, _FIGURES.pack(*_steps(folders)))
            code = 0
        finally:
            os._exit(code)
    try:
        require(os.waitpid(pid, 0)[1], 0, "a fork that lays the sandbox")
        return _FIGURES.unpack(os.read(reader, _FIGURES.size))
    finally:
        os.close(reader)
        os.close(writer)


def _steps(folders: Sequence[str]) -> list[float]:
    """Lay all layers around this process; gives the microseconds of each step."""
    gc.disable()
    abi = version()
    rules = Ruleset(abi)
    for place in libraries(""):
        rules.allow(place, READ)
    ready = Filter(Openings(scoped=abi >= WITH_SCOPE))
    for way in (lay_generic, rules.lay, ready.lay):  # what is done first costs more
        way(really=False)

    def allowed() -> None:
        for folder in folders:
            rules.allow(folder, READ)

    marks = [time.perf_counter()]
    for step in (lay_generic, allowed, rules.lay, ready.lay):
        step()
        marks.append(time.perf_counter())
    return [(after - before) * 1e6 for before, after in pairwise(marks)]
