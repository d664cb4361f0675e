"""Everything that a service gives to Prometheus."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from optifire import __version__
from optifire.app.placing import Placing
from optifire.app.vitals import CHECKS, Health, Vitals
from optifire.ops.exposition import Family, Sample, gauge, rendered
from optifire.ops.health import Level
from optifire.ops.process_metrics import process_families
from optifire.ops.run_metrics import RunMetrics
from optifire.runtime.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator


#: How bad a level is, as a number that can be compared.
SEVERITY: Final = {Level.GREEN.value: 0, Level.AMBER.value: 1, Level.RED.value: 2}
#: What a ledger in SQLite consists of.
LEDGER_FILES: Final = ("", "-wal", "-shm")


@dataclass(slots=True)
class Metrics:
    """Counts runs, and looks at the rest when it is asked.

    Parameters
    ----------
    health
        Gives what is not well.
    ledger
        The database of the environment.
    """

    engine: Engine
    placing: Placing
    vitals: Vitals
    health: Callable[[], Health]
    environment: str
    ledger: Path
    runs: RunMetrics = field(default_factory=RunMetrics)

    def text(self) -> str:
        """Give all of it in the text format 0.0.4."""
        return rendered(self._families())

    def _families(self) -> Iterator[Family]:
        build = (("version", __version__), ("environment", self.environment))
        yield gauge("optifire_build_info", "Version and environment.", [Sample(1, build)])
        yield from self.runs.families()
        yield from self._work()
        yield from self._plugins()
        yield from self._condition()
        yield from process_families(os.getpid())

    def _work(self) -> Iterator[Family]:
        slots, standing = self.engine.rooms.slots, self.placing.processes()
        yield gauge("optifire_slots_held", "Isolated runs that hold a slot.", len(slots))
        yield gauge("optifire_slots_waiting", "Runs that wait for a slot.", slots.waiting)
        zygotes, spares, residents = (standing[each] for each in ("zygotes", "spares", "residents"))
        yield gauge("optifire_zygotes", "Processes from which runs are forked.", zygotes)
        yield gauge("optifire_spares", "Processes forked ahead of runs.", spares)
        yield gauge("optifire_residents", "Processes of resident plugins.", residents)

    def _plugins(self) -> Iterator[Family]:
        standings = self.engine.rooms.standings
        held = standings.held if standings is not None else {}
        jobs = sorted(self.engine.program.jobs)
        yield gauge(
            "optifire_plugin_quarantined",
            "1 where a plugin that is on is kept from running after failures in a row, else 0.",
            [Sample(int(each in held), (("plugin", each),)) for each in jobs],
        )

    def _condition(self) -> Iterator[Family]:
        health = self.health()
        levels = [
            Sample(SEVERITY[health.as_json(check)["level"]], (("check", check),))
            for check in CHECKS
        ]
        yield gauge("optifire_health_level", "0 green, 1 amber, 2 red, by check.", levels)
        yield gauge(
            "optifire_event_loop_lag_seconds",
            "How late the event loop was, at most, within the last minute.",
            self.vitals.lag.worst(),
        )
        size = sum(_size(self.ledger.with_name(self.ledger.name + end)) for end in LEDGER_FILES)
        yield gauge("optifire_ledger_size_bytes", "The ledger without its large values.", size)


def _size(path: Path) -> int:
    """Give the bytes of a file, 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
