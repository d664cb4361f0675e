"""What a service leaves in its log: runs by id, no secrets, and settings that hold at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from trial import Trial, until

SECRET = "k3y-that-nobody-may-see"  # noqa: S105 - made for this test
FAILS = """\
print(context.config["key"])
raise ValueError("refused with " + context.config["key"])
"""


@pytest.fixture
def failing(trial: Trial) -> Trial:
    """Give a home with a plugin that fails with a secret in its error, and one that does not."""
    trial.plugin("broken", FAILS, plan={"schedule": "@manual"})
    trial.plugin("fine", plan={"schedule": "@manual"})
    trial.enable("fine", broken={"config": {"key": "${BROKER}"}})
    secrets = trial.root / "configs" / "secrets.env"
    secrets.write_text(f"BROKER={SECRET}\n", encoding="utf-8")
    secrets.chmod(0o600)
    return trial


def lines(trial: Trial) -> list[dict[str, Any]]:
    text = (trial.home.data / "optifire.log").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_is_in_the_log_with_its_id_and_settings_of_the_log_hold_at_once(
    failing: Trial,
) -> None:
    with failing.service() as service:
        printed = failing.give("run", "broken", "--json").stdout
        (row,) = until(failing.runs, what="the run's row")
        found = until(
            lambda: [one for one in lines(failing) if one.get("run_id") == row.run_id],
            what="a line of the run",
        )
        assert (found[0]["level"], found[0]["status"]) == ("WARNING", "failed")
        assert found[0]["plugin_id"] == "broken"
        assert "refused with ***" in found[0]["message"]
        assert f"[{row.run_id}] failed; " in service.said()
        assert not any(line.startswith("{") for line in service.said().splitlines())

        failing.configure(system={"log_format": "json", "log_level": "DEBUG"})

        def debugged() -> list[Any]:
            failing.ask("run", "fine")
            said = [line for line in service.said().splitlines() if line.startswith('{"time": ')]
            return [one for one in map(json.loads, said) if one["level"] == "DEBUG"]

        ends = until(lambda: [one for one in debugged() if "status" in one], what="a run's end")
        assert (ends[0]["plugin_id"], ends[0]["status"]) == ("fine", "succeeded")
        assert service.stop() == 0
    alone = failing.give("run", "broken", "--json")
    assert "refused with ***" in alone.stdout
    logged = failing.ask("run-info", row.run_id, "--logs")
    files = [file for file in failing.home.data.rglob("*") if file.is_file()]
    everything = (printed, service.said(), alone.stdout, alone.stderr, json.dumps(logged))
    for said in (*everything, *map(contents, files)):
        assert SECRET not in said


def test_a_replay_keeps_no_secret_either(failing: Trial) -> None:
    failing.plugin("opens", FAILS, plan={"schedule": "@open"})
    failing.enable(opens={"config": {"key": "${BROKER}"}})
    ledger = failing.root / "replay.db"
    days = ("--from", "2018-01-29", "--to", "2018-01-29", "--db", str(ledger))
    assert "digest" in failing.ask("replay", *days)
    assert "refused with ***" in contents(ledger)
    assert SECRET not in contents(ledger)


def contents(file: Path) -> str:
    return file.read_bytes().decode(errors="replace")
