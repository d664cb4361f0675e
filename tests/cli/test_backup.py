"""``backup`` as a person calls it, without a service and beside one that writes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optifire.store.copying import check_copy

from .conftest import Program


@pytest.fixture
def service(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a service of the home that has made its first runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "optifire.cli.main", "--home", str(home), "up", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert any("run_id" in line for line in process.stdout)
    yield process
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


@pytest.mark.usefixtures("service")
def test_a_running_service_makes_it_and_goes_on(
    optifire: Program, home: Path, tmp_path: Path, service: subprocess.Popen[str]
) -> None:
    made = optifire("--home", home, "backup", "--to", tmp_path / "copies", "--json").json
    (folder,) = made["changed"]
    assert Path(folder).parent == tmp_path / "copies"
    assert check_copy(Path(folder) / "ledger.db").start == made["start"]
    assert optifire("--home", home, "status", "--json").json["state"] == "running"
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
