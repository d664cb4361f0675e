"""Files, disks, locks and dates that are not as they should be: said clearly, nothing lost."""

import resource
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from optifire.core.run import TERMINAL, RunStatus
from optifire.store.migrate import APPLICATION_ID
from trial import Trial, until
from trial_ledger import is_whole, locked

DAYS = ("--from", "2018-01-02", "--to", "2018-01-05")
MONDAY, FRIDAY = "2018-01-29", "2018-02-02"
WORD = "interval_30m@session"
GOOD = "environment: demo\nplugin_paths: [mine]\nplugins:\n  quick:\n    enabled: true\n"


@pytest.fixture
def demo(trial: Trial) -> Trial:
    """Give a home whose demo plays one week of one quick plugin."""
    trial.plugin("quick", plan={"schedule": WORD})
    trial.features.write_text(GOOD, encoding="utf-8")
    trial.configure(demo={"from": MONDAY, "to": FRIDAY})
    return trial


def check_every_occurrence_once(trial: Trial) -> None:
    due = trial.schedule(WORD, f"{MONDAY}T00:00:00Z", f"{FRIDAY}T23:59:59Z")
    rows = trial.runs()
    assert [row.key.due for row in rows] == [datetime.fromisoformat(each) for each in due]
    assert all(row.status in TERMINAL for row in rows)


# --- configuration ------------------------------------------------------------------------------

FEATURES = {
    "a typo": (GOOD.replace("enabled", "enabeld"), "features.yaml:5", "enabled"),
    "a typo at the top": (GOOD.replace("plugins:", "plugin:"), "features.yaml:3", "plugins"),
    "a wrong type": (GOOD.replace("true", "7"), "features.yaml:5", "true or false"),
    "half a file": (GOOD[:-10] + "{", "features.yaml:", ""),
    "a tab": (GOOD.replace("    enabled", "\tenabled"), "features.yaml:5", "YAML"),
    "no such environment": (GOOD.replace("demo", "dmeo"), "features.yaml:1", "demo"),
    "a list": ("- quick\n", "features.yaml:1", ""),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("kind", FEATURES)
def test_every_command_says_where_features_yaml_is_wrong(demo: Trial, kind: str) -> None:
    text, where, hint = FEATURES[kind]
    demo.features.write_text(text, encoding="utf-8")
    for words in (["up"], ["replay", *DAYS], ["run", "quick"]):
        error = demo.refused(*words, code=2 if words == ["up"] else 1)
        assert where in f"{error['where']} {error['message']}", words
        assert hint in f"{error['message']} {error['remedy']}", words
        assert error["remedy"] or error["message"].count("\n"), words
    assert not demo.database.exists()


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("demo: {from: 2018-01-29, to: 2099-01-01}\n", "demo.to of config.yaml"),
        ("demo: {from: 2018-02-29}\n", "config.yaml:1"),
        ("demo: {pace: quick}\n", "config.yaml:1"),
        ("system: {concurency: 2}\n", "config.yaml:1"),
        ("market: {calendar: XNSY}\n", "market.calendar of config.yaml"),
    ],
)
def test_a_wrong_setting_of_the_system_is_named_with_its_line(
    demo: Trial, text: str, where: str
) -> None:
    (demo.root / "configs" / "config.yaml").write_text(text, encoding="utf-8")
    error = demo.refused("up", code=2)
    assert where in f"{error['where']} {error['message']}"


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("words", "code", "said", "remedy"),
    [
        (["replay", "--from", "2018-01-02", "--to", "2099-01-01"], 1, "2099-01-01", "earlier"),
        (["replay", "--from", "1950-01-02", "--to", "1950-01-05"], 1, "1950-01-02", "1990-01-01"),
        (["replay", "--from", "2018-02-02", "--to", "2018-02-01"], 2, "before", "Turn"),
        (["replay", "--from", "2018-13-01", "--to", "2018-12-31"], 2, "2018-13-01", "2018-11-23"),
        (["schedule", "@open", "--from", "2099-01-01"], 1, "2099-01-01", "earlier"),
        (["run", "quick", "--at", "yesterday"], 2, "yesterday", "2018"),
        (["replay", *DAYS, "--workers", "0"], 2, "0", ""),
        (["up", "--pace", "-1"], 2, "-1", ""),
    ],
)
def test_a_date_or_number_out_of_range_is_named(
    demo: Trial, words: list[str], code: int, said: str, remedy: str
) -> None:
    error = demo.refused(*words, code=code)
    assert said in f"{error['where']} {error['message']}"
    assert remedy in error["remedy"]


def test_a_run_beyond_the_calendar_fails_with_the_range(demo: Trial) -> None:
    done = demo.give("run", "quick", "--at", "2099-01-05T15:00:00Z")
    assert done.returncode == 1
    assert "covers 1990-01-01 to" in done.stderr


# --- locks --------------------------------------------------------------------------------------


def test_a_replay_into_a_ledger_that_another_one_writes_is_refused(
    demo: Trial, tmp_path: Path
) -> None:
    db = tmp_path / "replay.db"
    words = ["replay", "--from", "2010-01-04", "--to", "2018-12-31", "--db", str(db)]
    first = demo.start(*words)
    try:
        until(lambda: demo.runs(db, limit=1), what="a first cycle")
        error = demo.refused(*words)
    finally:
        first.kill()
        first.wait()
    assert error["type"] == "LockedError"
    assert f"process {first.pid} on " in error["message"]


def test_a_database_that_another_program_locks_is_named_with_what_to_do(demo: Trial) -> None:
    with demo.service() as service:
        service.until_finished()
        service.stop()
    with locked(demo.database):
        error = demo.refused("up", "--pace", "0")
    assert error["where"] == str(demo.database)
    assert "locked by another process" in error["message"]
    assert "fuser" in error["remedy"]


@pytest.mark.timeout(120)
def test_a_database_locked_for_a_while_turns_health_red_and_costs_no_record(demo: Trial) -> None:
    with demo.service(pace=0.15) as service:
        until(lambda: len(demo.runs()) > 3, what="some runs")
        before = {row.run_id: row.status for row in demo.runs() if row.status in TERMINAL}
        with locked(demo.database):
            health = service.until_status(
                lambda said: said["health"] if said["health"]["level"] == "red" else None
            )
        assert "the ledger cannot be written" in health["reasons"][0]
        assert "locked by another process" in health["reasons"][0]
        service.until_finished()
        assert service.status()["health"]["level"] == "green"
        assert service.stop() == 0
    assert before.items() <= {row.run_id: row.status for row in demo.runs()}.items()
    check_every_occurrence_once(demo)


# --- disks --------------------------------------------------------------------------------------

#: Runs a command where a folder is another file system, which no privilege is needed for.
IN_MOUNT = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SMALL = 'mount -t tmpfs -o size={size}k tmpfs "$0" && exec "$@"'
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def mounting(trial: Trial, how: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Give a command of the program with another file system in the place of a folder."""
    if subprocess.run(
        [*IN_MOUNT, how, folder, "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine lets nobody mount in a namespace of their own")
    return subprocess.run(
        [*IN_MOUNT, how, folder, *trial.command(*words)],
        env=trial.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [["up"], ["run", "quick"]])
def test_a_read_only_home_is_named_with_what_to_do(demo: Trial, words: list[str]) -> None:
    done = mounting(demo, READ_ONLY, demo.root, *words)
    assert done.returncode == 1
    assert str(demo.home.data) in done.stderr
    assert "Read-only file system" in done.stderr
    assert "writable" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_edits_a_read_only_home_names_the_file(demo: Trial) -> None:
    before = demo.features.read_bytes()
    done = mounting(demo, READ_ONLY, demo.root, "plugins", "disable", "quick")
    assert done.returncode == 1
    assert f"{demo.home.data}/edits.jsonl: Read-only file system" in done.stderr
    assert demo.features.read_bytes() == before
    assert "Traceback" not in done.stderr


def test_the_ledger_of_a_read_only_home_can_still_be_read(demo: Trial) -> None:
    with demo.service() as service:
        service.until_finished()
        service.stop()
    done = mounting(demo, READ_ONLY, demo.root, "runs", "--limit", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("succeeded") == 3


def test_a_replay_that_fills_the_disk_ends_with_what_to_do(demo: Trial, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    words = ["replay", "--from", "2018-01-02", "--to", "2018-12-31", "--db", f"{folder}/r.db"]
    done = mounting(demo, SMALL.format(size=500), folder, *words)
    assert done.returncode == 1
    assert f"error: {folder}/r.db: the disk is full" in done.stderr
    assert "Free some space" in done.stderr
    assert "digest" not in done.stdout


def test_a_service_that_finds_no_space_at_all_does_not_begin(demo: Trial) -> None:
    done = mounting(demo, SMALL.format(size=100), demo.home.data, "up", "--no-view")
    assert done.returncode == 1
    assert "demo.db: the disk is full" in done.stderr
    assert "Free some space" in done.stderr


@pytest.mark.timeout(120)
def test_a_disk_that_is_full_for_a_while_costs_no_record(demo: Trial) -> None:
    """A limit on the size of its files is to a service what a full disk is."""
    with demo.service(pace=0.15) as service:
        until(lambda: len(demo.runs()) > 3, what="some runs")
        before = {row.run_id: row.status for row in demo.runs() if row.status in TERMINAL}
        _, hard = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (4096, hard))
        try:
            health = service.until_status(
                lambda said: said["health"] if said["health"]["level"] == "red" else None
            )
        finally:
            resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert "the ledger cannot be written" in health["reasons"][0]
        service.until_finished()
        assert service.status()["health"]["level"] == "green"
        assert service.stop() == 0
    assert is_whole(demo.database)
    assert before.items() <= {row.run_id: row.status for row in demo.runs()}.items()
    check_every_occurrence_once(demo)
    assert demo.runs()[-1].status is RunStatus.SUCCEEDED


# --- files that are something else --------------------------------------------------------------


def test_a_file_that_is_no_ledger_is_left_as_it_is(demo: Trial, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader\n" * 200, encoding="utf-8")
    for words in (["replay", *DAYS, "--db"], ["replay", *DAYS, "--against"], ["runs", "--db"]):
        error = demo.refused(*words, str(letter))
        assert error["where"] == str(letter)
        assert error["remedy"]
    assert letter.read_text(encoding="utf-8") == "Dear reader\n" * 200


def test_a_ledger_of_a_newer_version_is_refused_for_good_and_left_as_it_is(demo: Trial) -> None:
    demo.database.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(demo.database)) as newer:
        newer.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE later (x);"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 9999;"
        )
    before = demo.database.read_bytes()
    error = demo.refused("up", code=2)
    assert "version 9999, this program knows versions up to" in error["message"]
    assert demo.database.read_bytes() == before


def test_fresh_begins_anew_where_the_ledger_is_damaged(demo: Trial) -> None:
    demo.database.write_bytes(b"not a database" * 1000)
    error = demo.refused("up", code=2)
    assert error["where"] == str(demo.database)
    assert "not a SQLite database" in error["message"]
    with demo.service("--fresh") as service:
        service.until_finished()
    check_every_occurrence_once(demo)
