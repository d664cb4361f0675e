"""A month of 75 plugins: nothing grows but what is to be kept."""

import sqlite3
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from optifire.core.run import RunStatus
from optifire.store.checkpoints import MOST_BYTES
from tests.chaos.accounts import Programmed
from tests.chaos.siege import NOISE, family, zombies
from trial import Service, until
from trial_ledger import selecting

FIRST: Final = date(2018, 1, 2)
PLUGINS: Final = 75
#: Days for which runs are kept, and how many of a plugin and status stay whatever their age.
KEPT: Final = 7
LEAST: Final = 10
#: Files that are open for one run and its spare, in the service and the zygote.
A_RUN: Final = 8
#: Megabytes that the log of a ledger may have: twice what it is cut to.
LOG: Final = 2 * MOST_BYTES / (1 << 20)
#: What plugins go by, in turn; each makes a value, and every other one reads that before it.
WORDS: Final = ("@open", "@close-10m", "@open+5m", "30 9 * * *", "0 12,15 * * *", "@idle")
WORKS: Final = """\
row = await context.db.fetch_one("SELECT count(*) AS n FROM signals")
await context.db.execute(
    "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)",
    ("SPX", "luck", context.rng.random()),
)
await context.bus.publish("worked", {"plugin": context.plugin_id})
return PluginResult(success=True, data={"luck": context.rng.random()})
"""


@dataclass(frozen=True)
class Look:
    """A service at a virtual instant: megabytes of its own, of its ledger in use, and of its log.

    What it has open goes up and down by the few files of a run.
    """

    now: datetime
    memory: float
    ledger: float
    log: float
    processes: int
    opened: int


def month(trial: Programmed, days: int) -> dict[str, str]:
    """Write 75 plugins and what they go by, for so many days from the first one on."""
    words = {f"p{n:02}": WORDS[n % len(WORDS)] for n in range(PLUGINS)}
    for n, (name, word) in enumerate(words.items()):
        needs = [f"p{n - len(WORDS):02}.luck"] if n >= len(WORDS) and n % 2 else []
        plan = {"schedule": word, "dependencies": needs}
        trial.plugin(name, WORKS, plan=plan, outputs=["luck"])
    trial.enable(*words)
    last = FIRST + timedelta(days=days - 1)
    trial.configure(
        demo={"from": str(FIRST), "to": str(last)},
        retention={"days": KEPT, "runs": 100, "table_days": KEPT},
    )
    return words


def watched(service: Service, ledger: Path) -> list[Look]:
    """Look at a service once each virtual day until its demo is over."""
    looks: list[Look] = []

    def over(status: dict[str, Any]) -> bool:
        now = datetime.fromisoformat(status["now"])
        if not looks or now - looks[-1].now >= timedelta(days=1):
            looks.append(glance(service, ledger, now))
        return bool(status["state"] == "finished")

    service.until_status(over, within=1800, what="the end of the month")
    return looks


def glance(service: Service, ledger: Path, now: datetime) -> Look:
    rss = psutil.Process(service.pid).memory_info().rss / (1 << 20)
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True, timeout=60)) as reader:
        pages, free, size = (
            int(reader.execute(f"PRAGMA {what}").fetchone()[0])
            for what in ("page_count", "freelist_count", "page_size")
        )
    used = (pages - free) * size / (1 << 20)
    log = ledger.with_name(f"{ledger.name}-wal").stat().st_size / (1 << 20)
    return Look(now, rss, used, log, len(list(family(service))), opened(service))


def opened(service: Service) -> int:
    return sum(process.num_fds() for process in family(service))


def growth(figures: Sequence[float]) -> float:
    """Give by how much figures of one day after the other grew: their slope by least squares."""
    steps = range(len(figures))
    mean, middle = sum(steps) / len(figures), sum(figures) / len(figures)
    spread = sum((step - mean) ** 2 for step in steps)
    slope = sum((s - mean) * (each - middle) for s, each in zip(steps, figures, strict=True))
    return slope / spread * len(figures)


def kept_long(ledger: Path) -> list[int]:
    """Count each plugin's runs that are older than retention keeps, by a day or more."""
    with selecting(ledger) as ask:
        rows = ask("SELECT plugin_id, due_us FROM runs")
    long_ago = max(due for _, due in rows) - (KEPT + 1) * 86_400_000_000
    return list(Counter(name for name, due in rows if due < long_ago).values())


def check_every_occurrence_counts(trial: Programmed, words: Mapping[str, str], days: int) -> None:
    """Check that records and roll-ups together count each occurrence once."""
    begin = f"{FIRST}T05:00:00Z"
    end = f"{FIRST + timedelta(days=days)}T04:59:59Z"
    due = {word: len(trial.schedule(word, begin, end)) for word in WORDS}
    with selecting(trial.database) as ask:
        kept = dict(ask("SELECT plugin_id, sum(count) FROM runs GROUP BY plugin_id"))
        gone = dict(ask("SELECT plugin_id, sum(count) FROM rollups GROUP BY plugin_id"))
    assert {name: kept[name] + gone.get(name, 0) for name in words} == {
        name: due[word] for name, word in words.items()
    }
    assert bool(gone) is (days > KEPT)
    assert all(old <= LEAST for old in kept_long(trial.database))


@pytest.mark.row("O040")
@pytest.mark.parametrize(
    "days",
    [
        pytest.param(2, marks=pytest.mark.timeout(240)),
        pytest.param(30, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_days_of_75_plugins_leave_a_service_as_it_was(
    tmp_path: Path, days: int, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Programmed(tmp_path / "home")
    (trial.faults / "hurry.txt").touch()
    words = month(trial, days)
    with trial.service() as service:
        until(lambda: len(trial.runs()) > PLUGINS, within=120, what="a run of most")
        looks = watched(service, trial.database)
        left = opened(service)
        assert zombies(service) == []
        assert service.stop() == 0
    with capsys.disabled():
        sys.stdout.write("".join(f"{each}\n" for each in looks))
    assert {row.status for row in trial.runs()} == {RunStatus.SUCCEEDED}
    check_every_occurrence_counts(trial, words, days)
    assert {each.processes for each in looks} == {looks[0].processes}
    assert growth([each.memory for each in looks]) < NOISE
    assert left < min(each.opened for each in looks[: (len(looks) + 1) // 2]) + A_RUN
    assert max(each.log for each in looks) < LOG
    if days > 2 * KEPT:  # from where on as much goes as comes, but for a row a day and plugin
        later = looks[len(looks) // 2 :]
        assert growth([each.memory for each in later]) < NOISE / 4
        assert growth([each.ledger for each in later]) < later[0].ledger / 4
