"""The service as a person runs it: its own process, its socket, the commands beside it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Program, Ran

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def up(home: Path) -> Iterator[Start]:
    """Start the service of a home; it is killed at the end if it still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "optifire.cli.main", "--home", str(home), "up", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen[str], wanted: Callable[[Any], bool]) -> list[Any]:
    """Read JSON lines of a service until one is wanted."""
    assert process.stdout is not None
    found = []
    for line in process.stdout:
        found.append(json.loads(line))
        if wanted(found[-1]):
            return found
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def test_a_service_is_asked_by_commands_and_drains_at_a_signal(
    optifire: Program, home: Path, up: Start
) -> None:
    process = up("--json", "--pace", "0.05")
    first = lines_until(process, lambda line: "run_id" in line)
    assert first[0]["state"] == "running"
    assert first[0]["recorded"] is True
    assert first[-1].keys() >= {"plugin_id", "run_id", "due", "status", "cpu_ms", "others"}

    status = optifire("--home", home, "status", "--json").json
    assert (status["state"], status["environment"]) == ("running", "demo")
    assert "infra_heartbeat" in status["plugins"]

    record = optifire("--home", home, "run", "alpha_vix_regime", "--why", "test", "--json")
    assert record.code == 0
    assert (record.json["kind"], record.json["status"]) == ("manual", "succeeded")
    kept = optifire("--home", home, "run-info", record.json["run_id"], "--json").json
    assert kept["outputs"] == record.json["outputs"]

    second = optifire("--home", home, "up", "--no-view")
    assert second.code == 1
    assert f"the ledger is held by process {process.pid}" in second.err

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])
    assert not (home / "data" / "optifire.sock").exists()
    assert optifire("--home", home, "status", "--json").json["state"] == "stopped"


def test_a_plugin_is_switched_off_and_on_while_the_service_runs(
    optifire: Program, home: Path, up: Start
) -> None:
    process = up("--json", "--pace", "0.05")
    lines_until(process, lambda line: "run_id" in line)

    def plugins() -> set[str]:
        return set(optifire("--home", home, "status", "--json").json["plugins"])

    assert "fe_kalman" in plugins()
    off = optifire("--home", home, "plugins", "disable", "fe_kalman", "--now", "--json")
    assert (off.code, off.json["changed"]) == (0, ["fe_kalman"])
    assert "fe_kalman" not in plugins()
    said = optifire("--home", home, "run", "fe_kalman", "--json")
    assert said.code == 1
    assert optifire("--home", home, "plugins", "enable", "fe_kalman").code == 0
    assert "fe_kalman" in plugins()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)
    assert process.returncode == 0


@pytest.mark.row("O061")
def test_budgets_that_are_applied_are_a_version_of_the_configuration(
    optifire: Program, ran: Ran, up: Start
) -> None:
    home = ran("fe_garch", [(40.0, 10.0)] * 30)
    process = up("--json", "--pace", "0.05")
    lines_until(process, lambda line: "run_id" in line)
    before = optifire("--home", home, "config", "show", "--json").json["versions"]
    shown = optifire("--home", home, "budgets", "show", "fe_garch", "--json")
    assert (shown.code, shown.json[0]["cpu_ms"]["budget"]) == (0, 100.0)
    said = optifire("--home", home, "budgets", "apply", "fe_garch", "--yes", "--json")
    assert (said.code, said.json["changed"], said.json["errors"]) == (0, ["fe_garch"], [])
    after = optifire("--home", home, "config", "show", "--json").json["versions"]
    assert len(after) == len(before) + 1
    old = before[0]["hash"]
    difference = optifire("--home", home, "config", "diff", old, "--json").json["diff"]
    assert difference == {"features.yaml": said.json["diff"]}
    (change,) = said.json["budgets"]  # runs of the service itself count as well by now
    status = optifire("--home", home, "status", "--json").json
    assert status["plugins"]["fe_garch"]["budget"] == change["before"] | change["after"]
    assert change["after"]
    assert optifire("--home", home, "config", "rollback", old).code == 0
    status = optifire("--home", home, "status", "--json").json
    assert status["plugins"]["fe_garch"]["budget"]["cpu_ms"] == 100.0
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)


@pytest.mark.row("O060")
def test_a_replay_agrees_run_by_run_with_what_ran_live(
    optifire: Program, fresh: Path, up: Start
) -> None:
    process = up("--json", "--pace", "0")
    lines_until(process, lambda line: line.get("due", "") > "2018-01-30")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)
    days = ("--from", "2018-01-29", "--to", "2018-01-29")
    live = fresh / "data" / "demo.db"
    words = ("replay", *days, "--plugins", "alpha_vix_regime,fe_garch", "--against", live)
    said = optifire("--home", fresh, *words, "--json")
    assert said.code == 0
    assert said.json["against"] == {
        "db": str(live),
        "compared": 2,
        "differing": 0,
        "first": None,
    }


def test_a_configuration_that_cannot_be_keeps_the_service_from_starting(
    optifire: Program, home: Path
) -> None:
    (home / "configs" / "config.yaml").write_text("demo: {pace: fast}\n", encoding="utf-8")
    said = optifire("--home", home, "up", "--json")
    assert said.code == 2
    assert "config.yaml:1" in said.error["where"]
    assert not (home / "data" / "optifire.sock").exists()
