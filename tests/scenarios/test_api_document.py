"""Schemathesis asks a service that runs all that its OpenAPI document has, and judges it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trial import Service, Trial, until

#: Schemathesis beside the running interpreter.
PROGRAM = Path(sys.executable).with_name("schemathesis")
#: Whom requests are about, so that they get further than "nobody has this plugin".
CONFIG = '[parameters]\nplugin_id = "steady"\n'
#: A text that the schema allows may still be no cursor, and is refused.
UNSOUND = "positive_data_acceptance"
#: Its answers never end, and Schemathesis waits for the end (see tests/api/test_events.py).
ENDLESS = "/events"


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Give a home with plugins that run, whose API takes a free port and any number of requests."""
    trial = Trial(tmp_path / "home")
    trial.plugin("steady", plan={"schedule": "interval_1s"})
    trial.plugin("other", plan={"schedule": "interval_5s"})
    trial.enable("steady", "other", environment="paper")
    trial.configure(api={"enabled": True, "port": 0, "requests_per_minute": 1000000})
    return trial


@pytest.fixture
def service(trial: Trial) -> Iterator[Service]:
    """Give its service."""
    with trial.service() as running:
        yield running


def judge(trial: Trial, service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    """Have Schemathesis ask everything that the document has, as an admin."""
    url = until(lambda: re.search(r"the API answers at (\S+)", service.said()), what="an API")[1]
    token = trial.home.first_token.read_text(encoding="utf-8").strip()
    shown = f"Authorization: Bearer {token}"
    (trial.root / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    return subprocess.run(
        [
            *(str(PROGRAM), "run", f"{url}/openapi.json", "--header", shown, "--no-color"),
            *("--exclude-checks", UNSOUND, "--exclude-path", ENDLESS),
            *("--seed", "20260105", *words),
        ],
        cwd=trial.root,
        env=trial.variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def expect_good(trial: Trial, service: Service, done: subprocess.CompletedProcess[str]) -> None:
    """Look at what was found, at how much was asked, and at the service after it."""
    assert done.returncode == 0, done.stdout + done.stderr
    asked = re.search(r"(\d+) generated", done.stdout)
    assert asked, done.stdout
    assert int(asked[1]) > 200
    assert "- GET /plugins/{plugin_id}" not in done.stdout, "404 wherever it asked"
    assert "crashed" not in service.said()
    assert trial.ask("health")["live"]
    assert service.stop() == 0


@pytest.mark.row("O046")
@pytest.mark.timeout(120)
def test_no_request_of_the_document_is_a_500_and_each_answer_is_in_it(
    trial: Trial, service: Service
) -> None:
    phases = ("--phases", "coverage,fuzzing", "--max-examples", "2")
    expect_good(trial, service, judge(trial, service, *phases))


@pytest.mark.long
@pytest.mark.row("O046")
@pytest.mark.timeout(900)
def test_thousands_of_requests_are_answered_as_the_document_says(
    trial: Trial, service: Service
) -> None:
    expect_good(trial, service, judge(trial, service, "--max-examples", "100"))
