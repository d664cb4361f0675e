"""How well a service is: liveness and readiness, and every check with what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from optifire.app.staleness import Missed, stale_signs
from optifire.core.limits import MIB
from optifire.ops.health import Level
from optifire.ops.meter import MB
from optifire.ops.signs import (
    LoopLag,
    Sign,
    disk_sign,
    loop_sign,
    machine_sign,
    memory_used,
    own_memory_sign,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from optifire.core.types import PluginId
    from optifire.ops.meter import Meter
    from optifire.runtime.engine import Engine

#: Everything that is looked at, in the order in which a person reads it.
CHECKS: Final = (
    "parts", "configuration", "ledger", "zygotes", "calendars", "plugins", "placement",
    "quarantine", "pauses", "backup", "alerts", "clock", "event_loop", "memory", "disk", "missed",
    "stale",
)  # fmt: skip
#: Seconds for which it is taken as unchanged what takes a while to look at.
AGE: Final = 5.0
#: States in which a service takes up what falls due.
AT_WORK: Final = ("running", "finished")


@dataclass(slots=True)
class Health:
    """Everything that is not green."""

    signs: list[Sign] = field(default_factory=list)

    def add(self, check: str, level: Level, reasons: Iterable[str]) -> None:
        """Take in what a check found."""
        self.signs += [Sign(check, level, reason) for reason in reasons]

    def at(self, level: Level, check: str | None = None) -> list[str]:
        """Give the reasons of a level, of one check or of all."""
        wanted = (one for one in self.signs if check is None or one.check == check)
        return [one.reason for one in wanted if one.level is level]

    def red(self) -> dict[str, list[str]]:
        """Give the checks that are red, with their reasons."""
        checks = {one.check for one in self.signs if one.level is Level.RED}
        return {check: self.at(Level.RED, check) for check in sorted(checks)}

    def as_json(self, check: str | None = None) -> dict[str, Any]:
        """Give level and reasons, the worst first."""
        red, amber = self.at(Level.RED, check), self.at(Level.AMBER, check)
        level = Level.RED if red else Level.AMBER if amber else Level.GREEN
        return {"level": level.value, "reasons": [*red, *amber]}

    def summary(self, state: str) -> dict[str, Any]:
        """Give liveness, readiness, state, level and reasons.

        Live: it answers, and no part of it has crashed. Ready: it takes up what falls due, and
        nothing is red.
        """
        overall = self.as_json()
        return {
            "live": not self.at(Level.RED, "parts"),
            "ready": state in AT_WORK and overall["level"] != Level.RED.value,
            "state": state,
            **overall,
        }

    def report(self, state: str) -> dict[str, Any]:
        """Give the summary, and each check with its own level and reasons."""
        return {
            **self.summary(state),
            "checks": {check: self.as_json(check) for check in CHECKS},
        }


def absent(state: str, reason: str) -> dict[str, Any]:
    """Give the report on a service that does not answer, of which nothing else is known."""
    shape = {"level": Level.RED.value, "reasons": [reason]}
    head = {"environment": None, "live": False, "ready": False, "state": state}
    return {**head, **shape, "checks": {}}


class Vitals:
    """What is measured of a running service, and judged anew at most every five seconds.

    Parameters
    ----------
    most_mb
        Gives the megabytes of 2**20 bytes that the service may use with its runs.
    """

    def __init__(
        self, meter: Meter, monotonic: Callable[[], float], most_mb: Callable[[], float | None]
    ) -> None:
        self.meter = meter
        self.lag = LoopLag(monotonic)
        self.missed = Missed()
        self._monotonic = monotonic
        self._most_mb = most_mb
        self._judged: tuple[float, list[Sign]] | None = None

    def signs(self, engine: Engine, busy: Collection[PluginId], *, age: float = AGE) -> list[Sign]:
        """Give what is not well, found at most so many seconds ago."""
        now = self._monotonic()
        if self._judged is None or now - self._judged[0] > age:
            self._judged = (now, [*self._slow(engine, busy)])
        late = loop_sign(self.lag.worst())
        return [*([late] if late else []), *self._judged[1]]

    def _slow(self, engine: Engine, busy: Collection[PluginId]) -> Iterator[Sign]:
        sample = self.meter.recent(AGE)
        found = [disk_sign(sample.disk_free_mb), machine_sign(sample.memory_percent)]
        most = self._most_mb()
        if most is not None:
            most *= MIB / MB
            used = memory_used(lambda: sample, lambda: self.meter.sample(deep=True), most)
            found.append(own_memory_sign(used, most))
        yield from filter(None, found)
        program, now = engine.program, engine.rooms.clock.now()
        yield from self.missed.signs(program.jobs, now)
        values = engine.rooms.board.snapshot()
        yield from stale_signs(program.graph, program.jobs, values, now, busy)
