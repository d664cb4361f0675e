# ruff: noqa: S311 - chance must repeat
"""kill -9 of a demo at any moment: nothing acknowledged is lost, and nothing runs twice."""

import json
import random
from collections import Counter
from datetime import date, datetime, timedelta

import pytest

from optifire.core.run import TERMINAL, RunStatus
from optifire.runtime.clock import wall_now
from optifire.workers.wire import decode_value
from tests.chaos.accounts import check_once
from trial import Trial, until
from trial_ledger import is_whole

FIRST = date(2018, 1, 29)
ONE_WEEK, FIVE_WEEKS = date(2018, 2, 2), date(2018, 3, 2)

#: Leaves its key in a file: what it did cannot be undone, so it must never do it twice.
LEAVES_ITS_KEY = """\
with open(context.data_dir / "keys.txt", "a") as file:
    file.write(context.key + "\\n")
return PluginResult(success=True)
"""
COUNTS = """\
row = await context.db.fetch_one("SELECT count(*) AS n FROM features WHERE plugin_id = 'counter'")
await context.db.execute(
    "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)", ("SPX", "n", row["n"])
)
await context.bus.publish("counted", {"n": row["n"]})
return PluginResult(success=True, data={"n": row["n"]})
"""
WORDS = {
    "counter": "interval_30m@session",
    "follower": "interval_1h@session",
    "opener": "@open",
    "closer": "@close",
    "nightly": "0 3 * * *",
    "sender": "interval_30m@session",
}


@pytest.fixture
def demo(trial: Trial) -> Trial:
    """Give a home with seven plugins; two of them need another, and one listens to it."""
    trial.plugin("counter", COUNTS, plan={"schedule": WORDS["counter"]}, outputs=["n"])
    for name in ("follower", "closer"):
        trial.plugin(name, plan={"schedule": WORDS[name], "dependencies": ["counter"]})
    for name in ("opener", "nightly"):
        trial.plugin(name, plan={"schedule": WORDS[name]})
    trial.plugin("heard", plan={"schedule": "@event", "triggers": ["counted"]})
    trial.plugin(
        "sender", LEAVES_ITS_KEY, plan={"schedule": WORDS["sender"], "effect": "effectful"}
    )
    trial.enable(*WORDS, "heard")
    return trial


@pytest.mark.row("O005")
@pytest.mark.parametrize(
    ("kills", "last"),
    [
        pytest.param(5, ONE_WEEK, marks=pytest.mark.timeout(300)),
        pytest.param(100, FIVE_WEEKS, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_a_demo_killed_again_and_again_ends_with_one_record_for_each_occurrence(
    demo: Trial, kills: int, last: date
) -> None:
    demo.configure(demo={"from": str(FIRST), "to": str(last)})
    chance = random.Random(kills)
    for _ in range(kills):
        kill_somewhere(demo, chance)
    with demo.service() as service:
        service.until_finished(within=600)
        assert service.stop() == 0
    check_every_occurrence_once(demo, last)
    check_nothing_was_sent_twice(demo)
    check_every_table_write_stands_once(demo)


def kill_somewhere(trial: Trial, chance: random.Random) -> None:
    """Let the demo come some way, from its first breath on, kill it, and look at what it left."""
    before = len(trial.runs())
    more = chance.randrange(-2, 10)
    with trial.service(wait=False) as service:
        until(lambda: holder(trial) == service.pid, what="a service that holds its ledger")
        if more > 0:
            until(lambda: len(trial.runs()) >= before + more, what=f"{more} further runs")
        acknowledged = settled(trial)
        service.kill()
    assert is_whole(trial.database)
    assert acknowledged.items() <= settled(trial).items()


def holder(trial: Trial) -> int | None:
    """Give the process that the lock of the ledger names."""
    lock = trial.database.with_name("demo.db.lock")
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    return json.loads(text)["pid"] if text.endswith("}") else None


def settled(trial: Trial) -> dict[str, RunStatus]:
    """Give the runs that the ledger has acknowledged as ended."""
    return {row.run_id: row.status for row in trial.runs() if row.status in TERMINAL}


def check_every_occurrence_once(trial: Trial, last: date) -> None:
    rows = trial.runs()
    assert [row.run_id for row in rows if row.status not in TERMINAL] == []
    begin, end = f"{FIRST}T05:00:00Z", f"{last + timedelta(days=1)}T04:59:59Z"
    for name, word in WORDS.items():
        mine = [row for row in rows if row.key.plugin_id == name]
        check_once(mine, trial.schedule(word, begin, end), name)


def check_nothing_was_sent_twice(trial: Trial) -> None:
    file = trial.home.data / "plugins" / "sender" / "keys.txt"
    keys = Counter(file.read_text(encoding="utf-8").splitlines())
    assert keys
    assert [key for key, times in keys.items() if times > 1] == []
    sent = [row for row in trial.runs(plugin_id="sender") if row.status is RunStatus.SUCCEEDED]
    assert len(keys) >= len(sent)


def check_every_table_write_stands_once(trial: Trial) -> None:
    """Each run of `counter` found the row of every one before it, and was heard of once."""
    done = [row for row in trial.runs(plugin_id="counter") if row.status is RunStatus.SUCCEEDED]
    assert [decode_value(row.outputs["n"]) for row in done] == list(range(len(done)))
    heard = [row.key.due for row in trial.runs(plugin_id="heard") if row.attempts]
    assert heard == [row.key.due for row in done]


WAITS_FOR_A_FILE = """\
import asyncio
while not (context.data_dir / "go").exists():
    await asyncio.sleep(0.01)
return PluginResult(success=True)
"""


def test_a_job_that_waited_when_its_first_cycle_was_killed_still_runs_after_the_one_it_awaits(
    trial: Trial,
) -> None:
    trial.plugin("slow", WAITS_FOR_A_FILE, plan={"schedule": "@open"})
    trial.plugin("waiter", plan={"schedule": "@open", "dependencies": [{"after": "slow"}]})
    trial.enable("slow", "waiter")
    trial.configure(demo={"from": str(FIRST), "to": str(FIRST)})
    with trial.service() as service:
        until(lambda: trial.runs(status="running"), what="a run in progress")
        service.kill()
    go = trial.home.data / "plugins" / "slow" / "go"
    go.parent.mkdir(parents=True, exist_ok=True)  # the run may not have come to its folder yet
    go.touch()
    with trial.service() as service:
        service.until_finished()
    rows = {str(row.key.plugin_id): row for row in trial.runs()}
    assert {name: (row.status, row.attempts) for name, row in rows.items()} == {
        "slow": (RunStatus.SUCCEEDED, 2),
        "waiter": (RunStatus.SUCCEEDED, 1),
    }
    slow, waiter = rows["slow"], rows["waiter"]
    assert slow.finished_at is not None
    assert waiter.started_at is not None
    assert slow.finished_at <= waiter.started_at


def test_an_occurrence_that_passed_while_no_service_ran_is_recorded_though_it_was_the_first(
    trial: Trial,
) -> None:
    trial.plugin("often", plan={"schedule": "interval_5s"})
    trial.enable("often", environment="paper")
    with trial.service() as service:
        due = datetime.fromisoformat(service.status()["next"][0]["due"])
        service.kill()
    ledger = trial.home.database("paper")
    assert trial.runs(ledger) == []
    until(lambda: wall_now() > due, what="the first occurrence")
    with trial.service():
        first = until(lambda: trial.runs(ledger), what="a run")[0]
    assert first.key.due == due


def test_nothing_is_owed_for_the_time_in_which_a_plugin_was_off(trial: Trial) -> None:
    """Off, on again, and a crash before it is due once: the next start looks back to the switch."""
    ledger = trial.home.database("paper")
    trial.plugin("often", plan={"schedule": "interval_1s"})
    trial.enable("often", environment="paper")
    with trial.service() as service:
        until(lambda: trial.runs(ledger), what="a run")
        trial.enable(environment="paper")
        off = until(lambda: trial.notes("disabled", ledger), what="the switch")[0].at
        until(lambda: wall_now() > off + timedelta(seconds=2.5), what="occurrences that are not")
        trial.enable("often", environment="paper")
        on = until(lambda: trial.notes("enabled", ledger)[1:], what="the switch")[0].at
        service.kill()
    before = len(trial.runs(ledger))
    with trial.service():
        until(lambda: len(trial.runs(ledger)) > before, what="a further run")
    rows = trial.runs(ledger)
    assert [
        row.run_id for row in rows if row.key.due > off and (row.first or row.key.due) <= on
    ] == []
