# ruff: noqa: S311 - chance must repeat
"""Many plugins for many hours, some of which misbehave at random: nobody else notices."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from optifire.core.ledger import RunRow
from optifire.core.run import TERMINAL, RunStatus
from optifire.workers.wire import decode_value
from tests.chaos.accounts import check_once
from tests.chaos.siege import NOISE, look, strays, zombies
from trial import Trial, until
from trial_misbehaves import DEEDS, HEAD, misbehaving

DAY = date(2018, 1, 29)
MINUTES = (5, 6, 10, 12, 15)
FIRST_HOUR = 10  # in New York

WORKS = """\
row = await context.db.fetch_one("SELECT count(*) AS n FROM features")
return PluginResult(success=True, data={"n": row["n"], "luck": context.rng.random()})
"""
BUDGET = {"cpu_ms": 100, "mem_mb": 16}


@dataclass(frozen=True)
class Soak:
    """How many plugins there are, how many of them are bad, and how long it takes."""

    plugins: int
    bad: int
    hours: int


def words(soak: Soak) -> dict[str, str]:
    """Give the plugins with their schedules, the bad ones by name."""
    chance = random.Random(soak.plugins)
    names = [f"bad_{n}" for n in range(soak.bad)]
    names += [f"good_{n}" for n in range(soak.plugins - soak.bad)]
    last = FIRST_HOUR + soak.hours - 1
    return {name: f"*/{chance.choice(MINUTES)} {FIRST_HOUR}-{last} * * *" for name in names}


def write(trial: Trial, schedules: dict[str, str]) -> None:
    """Write the plugins; the good ones go first where several are due."""
    settings: dict[str, dict[str, object]] = {}
    for name, word in schedules.items():
        if name.startswith("bad"):
            plan = {"schedule": word, "priority": 90, "timeout": 0.5}
            trial.plugin(name, misbehaving(*DEEDS), plan=plan, head=HEAD)
            settings[name] = {"budget": BUDGET, "sandbox": False}
        else:
            trial.plugin(name, WORKS, plan={"schedule": word, "priority": 10})
    trial.enable(*schedules.keys() - settings.keys(), environment="demo", **settings)
    trial.configure(demo={"from": str(DAY), "to": str(DAY)})


def played(trial: Trial, schedules: dict[str, str]) -> list[RunRow]:
    """Play the day to its end, and give the runs."""
    write(trial, schedules)
    with trial.service() as service:
        service.until_finished(within=1200)
        until(lambda: not strays(trial) and not zombies(service), what="nobody left behind")
        assert service.stop() == 0
    return trial.runs()


def check_every_occurrence_once(
    trial: Trial, schedules: dict[str, str], rows: list[RunRow]
) -> None:
    assert [row.run_id for row in rows if row.status not in TERMINAL] == []
    begin, end = f"{DAY}T05:00:00Z", f"{DAY + timedelta(days=1)}T04:59:59Z"
    due_of = {word: trial.schedule(word, begin, end) for word in set(schedules.values())}
    for name, word in schedules.items():
        check_once([row for row in rows if row.key.plugin_id == name], due_of[word], name)


@pytest.mark.parametrize(
    "soak",
    [
        pytest.param(Soak(20, 3, 1), marks=pytest.mark.timeout(180)),
        pytest.param(Soak(75, 10, 10), marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
    ids=["sample", "whole"],
)
def test_plugins_that_misbehave_at_random_cost_the_others_nothing(trial: Trial, soak: Soak) -> None:
    schedules = words(soak)
    rows = played(trial, schedules)
    check_every_occurrence_once(trial, schedules, rows)
    good = [row for row in rows if row.key.plugin_id.startswith("good")]
    assert {row.status for row in good} == {RunStatus.SUCCEEDED}
    bad = Counter(row.status for row in rows if row.key.plugin_id.startswith("bad"))
    assert bad.keys() >= {RunStatus.CRASHED, RunStatus.OVER_BUDGET}


LEAKS = """\
from optifire import plugins
plugins.leaked = [*getattr(plugins, "leaked", ()), bytearray(b"x") * (1 << 20)]
return PluginResult(success=True, data={"leaks": len(plugins.leaked)})
"""
#: The same in a process that lives on, because the plugin has a hook.
LEAKS_ON = """\
from optifire.plugins import Plugin, PluginMetadata, PluginResult


class Leaks(Plugin):
    def describe(self):
        return PluginMetadata(plugin_id="leaks", version="1", description="leaks")

    def plan(self):
        return {"schedule": WORD}

    def start(self, context):
        self.leaked = []

    async def run(self, context):
        self.leaked.append(bytearray(b"x") * (1 << 20))
        return PluginResult(success=True, data={"leaks": len(self.leaked)})
"""
#: Megabytes of its limit; it is replaced when it holds three quarters of them.
LEAKS_MB, REPLACED_MB = 24, 18
EVERY_RUN = [
    pytest.param("*/10 8-16 * * *", 1, marks=pytest.mark.timeout(180), id="50"),
    pytest.param("*/10 * * * *", 7, marks=[pytest.mark.long, pytest.mark.timeout(1800)], id="1000"),
]


def leaked(trial: Trial, days: int) -> list[RunRow]:
    """Play some days of a plugin that leaks, and give its runs; the service's memory stays."""
    trial.enable(leaks={"budget": {"cpu_ms": 1000, "mem_mb": LEAKS_MB}})
    trial.configure(demo={"from": str(DAY), "to": str(DAY + timedelta(days=days - 1))})
    with trial.service() as service:
        until(lambda: len(trial.runs()) > 5, what="a few runs")
        before = look(service)
        service.until_finished(within=1200)
        after = look(service)
        assert service.stop() == 0
    rows = sorted(trial.runs(), key=lambda row: row.key.due)
    assert len(rows) > 50
    assert {row.status for row in rows} == {RunStatus.SUCCEEDED}
    assert after.memory < before.memory + NOISE
    return rows


@pytest.mark.parametrize(("word", "days"), EVERY_RUN)
def test_a_megabyte_that_each_run_leaks_goes_with_it(trial: Trial, word: str, days: int) -> None:
    trial.plugin("leaks", LEAKS, plan={"schedule": word})
    rows = leaked(trial, days)
    assert {bytes(row.outputs["leaks"]) for row in rows} == {b"\x01"}


@pytest.mark.parametrize(("word", "days"), EVERY_RUN)
def test_a_resident_that_leaks_a_megabyte_a_run_is_replaced_before_its_limit(
    trial: Trial, word: str, days: int
) -> None:
    text = LEAKS_ON.replace("WORD", repr(word))
    trial.replace(trial.root / "mine" / "leaks" / "impl.py", text)
    rows = leaked(trial, days)
    assert {row.worker for row in rows} == {"resident"}
    leaks = [decode_value(row.outputs["leaks"]) for row in rows]
    lives = [n for n, held in enumerate(leaks) if held == 1]
    assert all(now == before + 1 for before, now in itertools.pairwise(leaks) if now != 1), (
        "nothing is forgotten but by a new process"
    )
    # After the run in which it came to hold that much, and neither much earlier nor later.
    ages = [leaks[n - 1] for n in lives[1:]]
    assert ages
    assert set(ages) <= set(range(REPLACED_MB - 3, REPLACED_MB + 1))
    assert max(row.usage.mem_mb or 0.0 for row in rows) < LEAKS_MB
    said = [note.text for note in trial.notes("resident") if "is started anew" in note.text]
    assert len(said) == len(ages)
