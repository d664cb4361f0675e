"""A year of the bundled plugins over real market data, replayed again and again."""

import csv
import gzip
import json
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from optifire.core.run import RunStatus
from optifire.plugins.alpha_vix_regime.logic import classify
from optifire.workers.wire import decode_value
from trial import Trial, until

YEAR = ("2018-01-02", "2018-12-31")
QUARTER = ("2018-10-01", "2018-12-31")
FIVE_YEARS = ("2014-01-03", "2018-12-31")
FORTNIGHT = ("2018-11-19", "2018-11-30")
#: The plugins that ship and need nothing but recorded data, with their word.
AT_OPEN = {"alpha_vix_regime"}
AT_CLOSE = {
    "alpha_cross_asset_corr", "alpha_vrp", "fe_entropy", "fe_garch", "fe_kalman",
    "risk_drawdown_derisk", "risk_vol_target",
}  # fmt: skip
AT_EACH_OPEN = {"schedule": "@open"}
#: 251 sessions: the market was closed on 2018-12-05 (national day of mourning).
SESSIONS = 251


def play(trial: Trial, days: tuple[str, str], *words: str) -> Any:
    """Replay some days and give what the command says of it."""
    return trial.ask("replay", "--from", days[0], "--to", days[1], *words)


def fresh(folder: Path) -> Trial:
    """Give a home as `init` makes it: the bundled plugins, all on."""
    return Trial(folder / "home")


@dataclass(frozen=True)
class Played:
    """A replay that was kept: its home, its ledger and what the command said of it."""

    trial: Trial
    db: Path
    said: dict[str, Any]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Give 2018, played once for all tests."""
    folder = tmp_path_factory.mktemp("year")
    trial, db = fresh(folder), folder / "year.db"
    return Played(trial, db, play(trial, YEAR, "--db", str(db)))


@pytest.fixture(scope="module")
def closes() -> tuple[list[str], list[float]]:
    """Give the built-in closes of the VIX, read without any of the program's own code."""
    packed = files("optifire.data").joinpath("builtin", "VIX.csv.gz").read_bytes()
    rows = list(csv.DictReader(gzip.decompress(packed).decode().splitlines()))
    return [row["date"] for row in rows], [float(row["close"]) for row in rows]


@pytest.mark.row("O060")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.long)])
def test_a_year_has_one_digest_whatever_the_number_of_workers(year: Played, workers: int) -> None:
    said = play(year.trial, YEAR, "--workers", str(workers))
    assert said["digest"] == year.said["digest"]
    assert said["statuses"] == year.said["statuses"]


@pytest.mark.row("O060")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("days", [QUARTER, pytest.param(YEAR, marks=pytest.mark.long)])
def test_a_process_for_each_run_gives_the_same_digest(
    days: tuple[str, str], year: Played, tmp_path: Path
) -> None:
    db = tmp_path / "isolated.db"
    isolated = play(year.trial, days, "--isolated", "--db", str(db), "--against", str(year.db))
    pooled = year.said if days == YEAR else play(year.trial, days)
    assert isolated["digest"] == pooled["digest"]
    workers = {row.worker for row in year.trial.runs(db)}
    assert workers == {"isolated"}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_years_have_one_digest_isolated_or_not_whatever_the_number_of_workers(
    tmp_path: Path,
) -> None:
    trial = fresh(tmp_path)
    ways = ["--workers 1", "--workers 2", "--workers 2", "--workers 4", "--isolated"]
    said = [play(trial, FIVE_YEARS, *way.split()) for way in ways]
    assert len({one["digest"] for one in said}) == 1
    assert said[0]["sessions"] == 1257


def test_every_bundled_plugin_succeeds_at_every_session_of_the_year(year: Played) -> None:
    assert year.said["sessions"] == SESSIONS
    assert year.said["statuses"] == {
        name: {"succeeded": SESSIONS} for name in sorted(AT_OPEN | AT_CLOSE)
    }
    assert (year.said["first"], year.said["last"]) == YEAR


def test_the_regime_is_that_of_the_latest_close_before_the_open(
    year: Played, closes: tuple[list[str], list[float]]
) -> None:
    days, values = closes
    runs = year.trial.runs(year.db, plugin_id="alpha_vix_regime")
    assert {row.status for row in runs} == {RunStatus.SUCCEEDED}
    for row in runs:
        latest = bisect_left(days, row.key.due.date().isoformat()) - 1
        assert decode_value(row.outputs["last_bar"]) == days[latest]
        assert decode_value(row.outputs["vix"]) == values[latest]
        assert decode_value(row.outputs["regime"]) == classify(values[latest]).name, row.run_id


@pytest.mark.row("O024")
def test_the_regimes_of_all_built_in_closes_are_807_407_41_and_4(
    closes: tuple[list[str], list[float]],
) -> None:
    counts = Counter(classify(close).name for close in closes[1])
    assert counts == {"low_vol": 807, "normal": 407, "elevated": 41, "crisis": 4}


def test_the_half_day_after_thanksgiving_closes_at_18_utc(year: Played) -> None:
    day = datetime(2018, 11, 23, tzinfo=UTC), datetime(2018, 11, 23, 23, 59, tzinfo=UTC)
    due = {
        row.key.plugin_id: row.key.due
        for row in year.trial.runs(year.db, since=day[0], until=day[1])
    }
    assert due == {
        **dict.fromkeys(AT_OPEN, datetime(2018, 11, 23, 14, 30, tzinfo=UTC)),
        **dict.fromkeys(AT_CLOSE, datetime(2018, 11, 23, 18, 0, tzinfo=UTC)),
    }


@pytest.mark.row("O062")
def test_nothing_ran_on_the_day_of_mourning_and_a_row_says_why(year: Played) -> None:
    first = datetime(2018, 12, 5, 5, tzinfo=UTC)
    last = datetime(2018, 12, 6, 5, tzinfo=UTC)
    assert year.trial.runs(year.db, since=first, until=last) == []
    notes = {note.subject: note.text for note in year.trial.notes("holiday", year.db)}
    assert "mourning" in notes["XNYS 2018-12-05"].lower()
    assert "christmas" in notes["XNYS 2018-12-25"].lower()


@pytest.mark.row("O062")
def test_jobs_that_observe_the_machine_are_left_out_with_one_row_each(year: Played) -> None:
    notes = year.trial.notes("left_out", year.db)
    assert [note.subject for note in notes] == ["infra_heartbeat", "infra_psutil_health"]
    assert all("observes the machine" in note.text for note in notes)
    assert not {row.key.plugin_id for row in year.trial.runs(year.db)} & {
        "infra_heartbeat", "infra_psutil_health",
    }  # fmt: skip


@pytest.mark.row("O066")
def test_a_number_is_traced_to_the_run_and_the_data_that_it_came_from(year: Played) -> None:
    info = year.trial.ask("run-info", "risk_vol_target@20181123T180000Z", "--db", str(year.db))
    ((name, source),) = info["inputs"].items()
    assert source == {"run_id": "fe_garch@20181123T180000Z", "as_of": "2018-11-23T18:00:00Z"}
    garch = year.trial.ask("run-info", source["run_id"], "--db", str(year.db))
    assert garch["outputs"][name] == info["outputs"]["vol_used"]
    manifest = files("optifire.data").joinpath("builtin", "MANIFEST.json").read_text()
    file = json.loads(manifest)["files"]["SPX.csv.gz"]
    assert garch["inputs"]["feed:SPX"]["origin"] == f"builtin:SPX:{file['sha256'][:16]}"


@pytest.mark.row("O060")
def test_a_few_plugins_over_a_few_days_agree_with_the_whole_year(year: Played) -> None:
    said = play(year.trial, FORTNIGHT, "--plugins", "alpha_vix_regime", "--against", str(year.db))
    assert said["against"]["compared"] == 9
    assert said["against"]["differing"] == 0
    assert said["against"]["first"] is None


@pytest.mark.row("O060")
def test_the_first_run_that_differs_from_another_ledger_is_shown(
    year: Played, tmp_path: Path
) -> None:
    other = fresh(tmp_path)
    other.enable(alpha_vix_regime={"config": {"symbol": "VXN"}})
    words = ["replay", "--from", FORTNIGHT[0], "--to", FORTNIGHT[1], "--against", str(year.db)]
    done = other.give(*words)
    assert done.returncode == 1
    assert "9 of 9 runs differ" in done.stdout
    assert "alpha_vix_regime@20181119T143000Z" in done.stdout
    assert "succeeded" in done.stdout
    assert "skipped" in done.stdout


def test_only_the_plugins_that_are_named_are_played(year: Played, tmp_path: Path) -> None:
    db = tmp_path / "two.db"
    said = play(year.trial, FORTNIGHT, "--plugins", "alpha_vix_regime,fe_entropy", "--db", str(db))
    assert set(said["statuses"]) == {"alpha_vix_regime", "fe_entropy"}
    assert {row.key.plugin_id for row in year.trial.runs(db)} == set(said["statuses"])


def test_a_plugin_whose_producer_is_not_played_says_so(trial: Trial, tmp_path: Path) -> None:
    trial.plugin("maker", "return PluginResult(True, {'n': 1})", plan=AT_EACH_OPEN, outputs=["n"])
    trial.plugin("taker", plan={**AT_EACH_OPEN, "dependencies": ["n"]})
    trial.enable("maker", "taker")
    db = tmp_path / "one.db"
    said = play(trial, FORTNIGHT, "--plugins", "taker", "--db", str(db))
    assert said["statuses"] == {"taker": {"skipped": 9}}
    reasons = {str(row.reason) for row in trial.runs(db)}
    assert reasons == {"upstream: maker has no part in this replay"}


def test_a_finished_ledger_is_refused_and_named(year: Played) -> None:
    error = year.trial.refused("replay", "--from", YEAR[0], "--to", YEAR[1], "--db", str(year.db))
    assert error["where"] == str(year.db)
    assert year.said["digest"] in error["message"]
    assert "Name another file" in error["remedy"]


@pytest.fixture
def unfinished(trial: Trial, tmp_path: Path) -> tuple[Trial, Path]:
    """Give a home with one quick plugin, and the ledger of a replay that was killed half-way."""
    trial.plugin("quick", plan={"schedule": "interval_15m@session"})
    trial.enable("quick")
    db = tmp_path / "half.db"
    process = trial.start("replay", "--from", YEAR[0], "--to", YEAR[1], "--db", str(db))
    try:
        until(lambda: trial.runs(db, limit=1), what="a first cycle")
    finally:
        process.kill()
        process.wait()
    return trial, db


@pytest.mark.parametrize("change", ["days", "plugins", "code", "configuration"])
def test_the_ledger_of_a_different_replay_is_refused_and_left_as_it_is(
    unfinished: tuple[Trial, Path], change: str
) -> None:
    trial, db = unfinished
    days = YEAR if change != "days" else (YEAR[0], "2018-12-30")
    if change == "plugins":
        trial.plugin("other", plan=AT_EACH_OPEN)
        trial.enable("quick", "other")
    elif change == "code":
        trial.plugin("quick", "return PluginResult(True)", plan={"schedule": "@close"})
    elif change == "configuration":
        trial.enable(quick={"priority": 40})
    before = trial.runs(db)
    error = trial.refused("replay", "--from", days[0], "--to", days[1], "--db", str(db))
    assert error["type"] == "ReplayError"
    assert error["where"] == str(db)
    assert "holds another replay" in error["message"]
    assert [row.run_id for row in trial.runs(db)] == [row.run_id for row in before]
