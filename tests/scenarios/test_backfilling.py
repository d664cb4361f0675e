"""The past of a plugin is made up for by command: with a service, without, and broken off."""

import json
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from optifire.core.ledger import RunRow
from optifire.core.run import RunKind
from optifire.host.records import instant_text
from optifire.runtime.clock import wall_now
from trial import Trial, until

EACH_HOUR = {"schedule": "interval_1h", "calendar": "24/7"}
HOUR = timedelta(hours=1)
NOW_OF_IT = 'return PluginResult(success=True, data={"hour": f"{context.now:%H}"})'


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


def backfilled(trial: Trial, name: str = "one") -> list[RunRow]:
    return trial.runs(ledger(trial), plugin_id=name, kind=RunKind.BACKFILL)


#: The last full hour.
FULL = wall_now().replace(minute=0, second=0, microsecond=0)


def hours_ago(hours: float) -> datetime:
    """Give an instant half an hour after a full hour, a while ago."""
    return FULL - hours * HOUR - HOUR / 2


def stretch(first: float, last: float) -> tuple[str, ...]:
    ends = instant_text(hours_ago(first)), instant_text(hours_ago(last))
    return ("--from", ends[0], "--to", ends[1])


@pytest.fixture
def one(trial: Trial) -> Trial:
    """Give a home on the wall clock with a plugin that says which hour it is."""
    trial.plugin("one", NOW_OF_IT, plan=EACH_HOUR, outputs=["hour"])
    trial.enable("one", environment="paper")
    return trial


@pytest.mark.timeout(180)
def test_the_same_command_makes_only_what_is_missing_with_and_without_a_service(
    one: Trial,
) -> None:
    words = ("backfill", "one", *stretch(5, 2), "--why", "it was off")
    said = one.ask(*words)
    rows = backfilled(one)
    assert said["changed"] == [row.run_id for row in rows]
    assert (said["ok"], said["statuses"], said["there"]) == (True, {"succeeded": 3}, 0)
    assert [row.outputs["hour"] for row in rows] == [
        b"\xa2" + f"{row.key.due:%H}".encode() for row in rows
    ]
    again = one.ask(*words)
    assert (again["changed"], again["there"]) == ([], 3)
    info = one.ask("run-info", rows[0].run_id)
    assert info["kind"] == "backfill"
    assert info["why"].endswith(": it was off")
    with one.service() as service:
        newest = service.status()["context"]["hour"]
        assert newest == f"{rows[-1].key.due:%H}"
        more = one.ask("backfill", "one", *stretch(8, 2))
        assert (len(more["changed"]), more["there"]) == (3, 3)
        assert service.status()["context"]["hour"] == newest
        assert service.status()["health"]["level"] == "green"
        assert service.stop() == 0
    assert len(backfilled(one)) == 6
    shown = one.give("backfill", "one", *stretch(8, 2))
    assert shown.returncode == 0
    assert "made   0\nthere  6 had succeeded before\n" in shown.stdout


@pytest.mark.timeout(180)
def test_what_failed_is_made_again_once_it_can_be_and_no_memory_bomb_hurts(one: Trial) -> None:
    words = ("backfill", "one", *stretch(3, 1))
    one.plugin("one", "return [0] * (1 << 28)", plan=EACH_HOUR, outputs=["hour"])
    done = one.give(*words, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["statuses"] == {"over_budget": 2}
    one.plugin("one", NOW_OF_IT, plan=EACH_HOUR, outputs=["hour"])
    assert one.ask(*words)["statuses"] == {"succeeded": 2}
    ids = [row.run_id.partition("Z")[2] for row in backfilled(one)]
    assert sorted(ids) == [".t1~backfill", ".t1~backfill", "~backfill", "~backfill"]


@pytest.mark.timeout(180)
def test_it_can_be_broken_off_and_two_at_once_share_the_work(one: Trial) -> None:
    one.configure(retention={"days": 4000})
    one.plugin("one", f"import time; time.sleep(0.05); {NOW_OF_IT}", plan=EACH_HOUR)
    words = ("backfill", "one", *stretch(60, 0))
    assert len(one.ask("backfill", "one", *stretch(60, 59))["changed"]) == 1

    def interrupted(signal_: int) -> None:
        before = len(backfilled(one))
        process = one.start(*words)
        until(lambda: len(backfilled(one)) > before + 1, what="some runs")
        process.send_signal(signal_)
        assert process.wait(30) != 0

    interrupted(signal.SIGINT)
    interrupted(signal.SIGKILL)
    assert "the same command makes the rest" in (one.root / "said.txt").read_text()
    until(lambda: not one.processes(), what="an end of all its processes")
    with one.service() as service:
        interrupted(signal.SIGINT)
        both = [one.start(*words), one.start(*words)]
        assert [each.wait(120) for each in both] == [0, 0]
        assert service.stop() == 0
    rows = backfilled(one)
    assert len(rows) == len({row.key.due for row in rows}) == 60
    assert {row.status for row in rows} == {"succeeded"}


@pytest.mark.timeout(180)
def test_own_tables_are_neither_read_nor_changed_and_shared_ones_are_added_to(one: Trial) -> None:
    writes = "await context.db.execute('INSERT INTO signals (value) VALUES (1)')"
    one.plugin("adds", f"{writes}\n{NOW_OF_IT}", plan=EACH_HOUR)
    changes = "await context.db.execute('CREATE TABLE IF NOT EXISTS p_changes_state (x)')"
    one.plugin("changes", f"{changes}\n{NOW_OF_IT}", plan=EACH_HOUR)
    reads = "await context.db.fetch_all('SELECT * FROM signals')"
    one.plugin("reads", f"{reads}\n{NOW_OF_IT}", plan=EACH_HOUR)
    one.plugin("sends", NOW_OF_IT, plan={**EACH_HOUR, "effect": "effectful"})
    one.enable("adds", "changes", "reads", "sends", environment="paper")
    words = stretch(2, 1)
    assert one.ask("backfill", "adds", *words)["ok"] is True
    for name, why in (("changes", "is not allowed in a backfill"), ("reads", "is there today")):
        assert one.give("backfill", name, *words).returncode == 1
        (row,) = backfilled(one, name)
        assert row.failure is not None
        assert why in row.failure.message
    assert "is effectful" in one.refused("backfill", "sends", *words)["message"]


def test_a_stretch_into_the_future_ends_at_the_present(one: Trial) -> None:
    ends = ("--from", instant_text(hours_ago(1)), "--to", "2199-01-01")
    before = wall_now()
    said = one.ask("backfill", "one", *ends)
    assert 1 <= len(said["changed"]) <= 3
    assert before < datetime.fromisoformat(said["last"]) < wall_now()
