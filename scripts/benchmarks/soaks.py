"""soak: how late the runs of good plugins begin beside others that misbehave all the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, Rounds, Settings, Target, percentile, require
from optifire.core.run import RunStatus
from optifire.workers.wire import decode_value
from trial import Trial, until
from trial_misbehaves import HEAD, misbehaving

if TYPE_CHECKING:
    from datetime import datetime

PLUGINS, BAD = 75, 10
WORD = "interval_4s"
#: Runs of each good plugin that are not counted: zygotes and spares come up.
WARM_UP = 1
#: Seconds that a run in progress at the end may take.
GRACE = 30.0
BUDGET = {"cpu_ms": 50, "mem_mb": 16}
CALM = {"quarantine_after": 1_000_000}

GOOD_WORK = """\
late = time.time() - context.now.timestamp()
return PluginResult(success=True, data={"late": late})
"""
QUIET = "return PluginResult(success=True)"
#: Each run does one of these, and ends by it.
DEEDS = ("raise", "exit", "crash", "hang", "loop", "grow", "babble", "flood")


@dataclass(frozen=True, slots=True)
class Soaked:
    """How late the good runs of one service began, in seconds, and how its bad ones ended."""

    late: Sequence[float]
    bad: int


def soak(settings: Settings) -> list[Figure]:
    """Measure the lateness of the good ones, in turns without and with ten bad ones among them."""
    calm, wild = _home(settings, QUIET), _home(settings, misbehaving(*DEEDS))
    kept, notes = Rounds(), ""
    for _ in range(min(settings.rounds, 3)):
        without, beside = _soaked(calm, settings.seconds), _soaked(wild, settings.seconds)
        require(without.bad, 0, "runs that went wrong without a bad plugin")
        kept.floor.append(percentile(without.late, 99) * 1e3)
        kept.ours.append(percentile(beside.late, 99) * 1e3)
        notes = (
            f"p50 {percentile(without.late, 50) * 1e3:.1f} without, "
            f"{percentile(beside.late, 50) * 1e3:.1f} ms beside {beside.bad} runs gone wrong, "
            f"of {len(beside.late)} good ones"
        )
    name = f"p99 lateness of {PLUGINS - BAD} plugins beside {BAD} bad ones; floor: without"
    return [Figure("soak", name, "ms", kept.ours, kept.floor, (), (Target("floor", 2.0),), notes)]


def _home(settings: Settings, bad: str) -> Trial:
    """Make a home with plugins of both kinds, all due at the same instants."""
    trial = Trial(settings.fresh("soak") / "home")
    names = [f"good_{number}" for number in range(PLUGINS - BAD)]
    for name in names:
        trial.plugin(name, GOOD_WORK, plan={"schedule": WORD}, head=HEAD)
    more = {f"bad_{number}": {"budget": BUDGET, "sandbox": False} for number in range(BAD)}
    for name in more:
        trial.plugin(name, bad, plan={"schedule": WORD, "timeout": 0.5}, head=HEAD)
    trial.enable(*names, environment="paper", **more)
    trial.configure(system=CALM)
    return trial


def _soaked(trial: Trial, seconds: float) -> Soaked:
    """Run a service for so long, and give what became of the runs of this time."""
    ledger = trial.home.database("paper")
    before = max((row.key.due for row in trial.runs(ledger)), default=None)
    with trial.service() as service:
        first = until(lambda: _first(trial, before), what="a first run")
        until(
            lambda: (_now(trial) - first).total_seconds() > seconds,
            within=seconds + GRACE,
            what="the end of the soak",
        )
        require(service.stop(within=GRACE), 0, "the exit of the service")
    late: dict[str, list[float]] = {}
    bad = 0
    for row in trial.runs(ledger):
        if before is not None and row.key.due <= before:
            continue
        if not row.key.plugin_id.startswith("good"):
            bad += row.status in {RunStatus.FAILED, RunStatus.CRASHED, RunStatus.OVER_BUDGET}
        elif row.status is RunStatus.SUCCEEDED:
            late.setdefault(row.key.plugin_id, []).append(decode_value(row.outputs["late"]))
    return Soaked([each for known in late.values() for each in known[WARM_UP:]], bad)


def _first(trial: Trial, before: datetime | None) -> datetime | None:
    rows = trial.runs(trial.home.database("paper"), limit=1)
    return next((row.key.due for row in rows if before is None or row.key.due > before), None)


def _now(trial: Trial) -> datetime:
    (row,) = trial.runs(trial.home.database("paper"), limit=1)
    return row.key.due
