"""``backup`` and ``restore`` as a person calls them, without a service and beside one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optifire.store.copying import check_copy

from .conftest import Program

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start the service of the home and wait for its first run."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "optifire.cli.main", "--home", str(home), "up", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        assert process.stdout is not None
        assert any("run_id" in line for line in process.stdout)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_home_at_rest_is_copied_from_its_files(optifire: Program, home: Path) -> None:
    made = optifire("--home", home, "backup", "--json").json
    (folder,) = made["changed"]
    assert Path(folder).parent == home / "data" / "backups"
    assert made["environment"] == "demo"
    shown = optifire("--home", home, "runs", "--limit", "5", "--json").json
    copied = optifire(
        "--home", home, "runs", "--limit", "5", "--db", f"{folder}/ledger.db", "--json"
    )
    assert copied.json == shown
    assert made["counts"]["runs"] >= 5


def test_a_running_service_makes_it_and_goes_on(
    optifire: Program, home: Path, tmp_path: Path, start: Start
) -> None:
    service = start()
    made = optifire("--home", home, "backup", "--to", tmp_path / "copies", "--json").json
    (folder,) = made["changed"]
    assert Path(folder).parent == tmp_path / "copies"
    assert check_copy(Path(folder) / "ledger.db").start == made["start"]
    assert optifire("--home", home, "status", "--json").json["state"] == "running"
    refused = optifire("--home", home, "restore", folder, "--yes", "--json")
    assert refused.code == 1
    assert f"held by process {service.pid}" in refused.error["message"]
    service.send_signal(signal.SIGTERM)
    assert service.wait(timeout=40) == 0


def test_it_says_what_it_wrote_and_what_is_not_in_it(optifire: Program, home: Path) -> None:
    (home / "configs" / "secrets.env").write_text("KEY=x", encoding="utf-8")
    answer = optifire("--home", home, "backup")
    assert answer.code == 0
    assert "wrote " in answer.out
    assert "runs" in answer.out
    assert "secrets.env is not in it" in answer.err


def test_what_gave_way_is_named(optifire: Program, home: Path) -> None:
    config = home / "configs" / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("keep: 30", "keep: 1"), encoding="utf-8")
    first = Path(optifire("--home", home, "backup", "--json").json["changed"][0])
    answer = optifire("--home", home, "backup")
    assert f"removed {first.name}" in answer.out
    assert not first.exists()


def test_a_home_in_which_nothing_has_run_says_so(optifire: Program, fresh: Path) -> None:
    answer = optifire("--home", fresh, "backup", "--json")
    assert answer.code == 1
    assert "no ledger to copy" in answer.error["message"]


@pytest.mark.row("O050")
def test_a_service_starts_from_a_restored_ledger_and_goes_on(
    optifire: Program, home: Path, start: Start
) -> None:
    name = Path(optifire("--home", home, "backup", "--json").json["changed"][0]).name
    before = optifire("--home", home, "runs", "--limit", "100000", "--json").json
    with (home / "data" / "demo.db").open("r+b") as file:  # the ledger is lost
        file.truncate(10_000)
    refused = optifire("--home", home, "up", "--no-view", "--json")
    assert refused.code == 2
    assert refused.error["type"] == "DamagedError"
    assert f"optifire restore {name}" in refused.error["remedy"]
    done = optifire("--home", home, "restore", name, "--yes", "--json")
    assert (done.code, done.json["counts"]["runs"]) == (0, len(before))
    start()
    after = optifire("--home", home, "runs", "--limit", "100000", "--json").json
    assert len(after) > len(before)
    assert {run["run_id"] for run in before} <= {run["run_id"] for run in after}


def test_nothing_is_restored_before_somebody_agreed(optifire: Program, home: Path) -> None:
    (folder,) = optifire("--home", home, "backup", "--json").json["changed"]
    answer = optifire("--home", home, "restore", folder, "--json")
    assert answer.code == 2
    assert "--yes" in answer.error["remedy"]
    assert not list((home / "data").glob("*before*"))


def test_a_damaged_backup_is_refused_with_the_file(optifire: Program, home: Path) -> None:
    (folder,) = optifire("--home", home, "backup", "--json").json["changed"]
    ledger = Path(folder) / "ledger.db"
    with ledger.open("r+b") as file:
        file.truncate(10_000)
    answer = optifire("--home", home, "restore", folder, "--yes", "--json")
    assert answer.code == 1
    assert answer.error["where"] == str(ledger)
    assert not list((home / "data").glob("*before*"))


def test_a_person_is_told_where_that_is_which_was_there(optifire: Program, home: Path) -> None:
    (folder,) = optifire("--home", home, "backup", "--json").json["changed"]
    answer = optifire("--home", home, "restore", folder, "--yes", "--configs")
    assert answer.code == 0
    assert f"what was there is {home / 'data' / 'demo.before-'}" in answer.out
    assert f"what was there is {home / 'configs.before-'}" in answer.out
