# ruff: noqa: S311 - chance must repeat
"""kill -9 of a replay at any moment: it goes on, and ends with the digest of an unbroken one."""

import random
from pathlib import Path

import pytest

from optifire.core.run import TERMINAL
from trial import Trial, until
from trial_ledger import is_blank, is_whole, selecting

FIRST = "2018-10-29"
THREE_WEEKS, THREE_MONTHS = "2018-11-16", "2019-01-31"

#: Its result depends on every row that it wrote before, so a lost or doubled one shows at once.
TALKS = """\
row = await context.db.fetch_one(
    "SELECT count(*) AS n, total(value) AS total FROM features WHERE plugin_id = 'talker'"
)
n, luck = row["n"], context.rng.random()
await context.db.execute("CREATE TABLE IF NOT EXISTS p_talker_said (n INTEGER, at TEXT)")
await context.db.execute("INSERT INTO p_talker_said VALUES (?, ?)", (n, context.now.isoformat()))
await context.db.execute(
    "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)", ("SPX", "luck", luck)
)
if n % 3 == 0:
    await context.bus.publish("talked", {"n": n})
if n % 7 == 6:
    raise ValueError(f"bad luck after {n}")
return PluginResult(success=True, data={"n": n, "total": row["total"]})
"""
LISTENS = """\
heard = [event.data["n"] for event in context.events]
before = context.data.get("listener.all", [])
await context.bus.publish("echo", heard)
return PluginResult(success=True, data={"all": [*before, *heard]})
"""
SUMS = "return PluginResult(success=True, data={'twice': context.data['n'] * 2})"


@pytest.fixture
def talking(trial: Trial) -> Trial:
    """Give a home of quick plugins with table writes, events, needs, failures and idle work."""
    trial.plugin("talker", TALKS, plan={"schedule": "interval_1h@session"}, outputs=["n", "total"])
    trial.plugin(
        "listener", LISTENS, plan={"schedule": "@event", "triggers": ["talked"]}, outputs=["all"]
    )
    trial.plugin("summer", SUMS, plan={"schedule": "@close", "dependencies": ["n"]})
    trial.plugin("idler", plan={"schedule": "@idle"})
    trial.enable("talker", "listener", "summer", "idler")
    return trial


def words(last: str, db: Path) -> list[str]:
    return ["replay", "--from", FIRST, "--to", last, "--db", str(db)]


@pytest.mark.row("O005")
@pytest.mark.parametrize(
    ("kills", "last"),
    [
        pytest.param(5, THREE_WEEKS, marks=pytest.mark.timeout(300)),
        pytest.param(100, THREE_MONTHS, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_a_replay_killed_again_and_again_ends_with_the_digest_of_an_unbroken_one(
    talking: Trial, tmp_path: Path, kills: int, last: str
) -> None:
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    unbroken = talking.ask(*words(last, whole))
    cycles = len({row.key.due for row in talking.runs(whole)})
    chance = random.Random(kills)
    points = sorted(chance.randrange(cycles * 9 // 10) for _ in range(kills))
    while points:
        if kill_at(talking, words(last, broken), broken, points[0]):
            points.pop(0)
        else:  # it was at its end already, which a busy machine makes likelier
            broken.unlink()
            points.append(0)
            points.sort()
    resumed = talking.ask(*words(last, broken))
    assert resumed["digest"] == unbroken["digest"]
    assert resumed["statuses"] == unbroken["statuses"]
    assert contents(talking, broken) == contents(talking, whole)


def kill_at(trial: Trial, command: list[str], db: Path, point: int) -> bool:
    """Kill a replay once its ledger holds so many cycles; tell whether it was still playing."""
    process = trial.start(*command)
    until(lambda: process.poll() is not None or cycles_in(db) >= point, what=f"{point}")
    playing = process.poll() is None
    process.kill()
    process.wait()
    until(lambda: not trial.processes(), what="an end of its workers")
    assert is_blank(db) or is_whole(db)
    assert [row.run_id for row in trial.runs(db) if row.status not in TERMINAL] == []
    return playing


def cycles_in(db: Path) -> int:
    """Count the cycles of a ledger; -1 while there is none."""
    if is_blank(db):
        return -1
    with selecting(db) as select:
        return int(select("SELECT count(DISTINCT due_us) FROM runs")[0][0])


def contents(trial: Trial, db: Path) -> dict[str, object]:
    """Give what a replay left beside its runs: tables, context, and the runs' keys."""
    with selecting(db) as select:
        return {
            "said": select("SELECT n, at FROM p_talker_said ORDER BY n, at"),
            "features": select("SELECT symbol, feature_name, value FROM features ORDER BY rowid"),
            "context": select("SELECT name, producer, value FROM context ORDER BY name"),
            "runs": [(row.run_id, row.status) for row in trial.runs(db)],
        }
