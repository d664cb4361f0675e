"""Events of a service that runs: over real HTTP, through reconnects, a crash and a stop."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from optifire.core.run import TERMINAL
from trial import Service, Trial, until
from trial_ledger import runs_in

NAMES = [f"p{number}" for number in range(8)]
ENDED = {status.value for status in TERMINAL}


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Give a home on the wall clock with jobs of every second."""
    trial = Trial(tmp_path / "home")
    for name in NAMES:
        trial.plugin(name, plan={"schedule": "interval_1s"})
    trial.enable(*NAMES, environment="paper")
    trial.configure(api={"enabled": True, "port": 0, "requests_per_minute": 1000000})
    return trial


def port_of(service: Service, starts: int = 1) -> int:
    """Give where a service answers that is so manieth one of its home."""
    said = re.compile(r"the API answers at http://127\.0\.0\.1:(\d+)")
    ports = until(
        lambda: found if len(found := said.findall(service.said())) == starts else None,
        what="an API that answers",
    )
    return int(ports[-1])


@contextmanager
def following(trial: Trial, port: int, last_id: str, query: str = "") -> Iterator[HTTPResponse]:
    """Give an answer of /events that goes on."""
    token = trial.home.first_token.read_text(encoding="utf-8").strip()
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        headers = {"Authorization": f"Bearer {token}"} | (
            {"Last-Event-ID": last_id} if last_id else {}
        )
        connection.request("GET", f"/events{query}", headers=headers)
        with closing(connection.getresponse()) as answer:
            assert answer.status == 200
            yield answer


def events(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    """Give what each frame says, those without data too, until the stream ends."""
    said: dict[str, Any] = {}
    while line := answer.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            said[name] = json.loads(value) if name == "data" else value
        elif "id" in said:
            yield said
            said = {}


def beginning(trial: Trial, port: int) -> str:
    """Give the id before the first event of all."""
    with following(trial, port, "") as answer:
        return f"{next(events(answer))['id'].partition('.')[0]}.0"


def seq(event: dict[str, Any]) -> int:
    return int(event["id"].partition(".")[2])


def read(trial: Trial, port: int, last_id: str, times: int) -> list[dict[str, Any]]:
    """Come so many times, and leave each time after an event."""
    seen: list[dict[str, Any]] = []
    for _ in range(times):
        with following(trial, port, last_id) as answer:
            seen += [each for each in islice(events(answer), 2) if "data" in each]
        last_id = seen[-1]["id"]
    return seen


@pytest.mark.row("O046")
def test_100_reconnects_and_a_crash_between_them_miss_and_repeat_nothing(trial: Trial) -> None:
    with trial.service() as service:
        port = port_of(service)
        seen = read(trial, port, beginning(trial, port), 50)
        service.kill()
    with trial.service() as service:
        port = port_of(service, starts=2)
        seen += read(trial, port, seen[-1]["id"], 50)
        with following(trial, port, seen[-1]["id"]) as answer:
            service.process.terminate()
            seen += [each for each in events(answer) if "data" in each]
        service.process.wait(30)
        assert "graceful" not in service.said(), "streams end by themselves"
    assert [seq(each) for each in seen] == list(range(1, len(seen) + 1))
    assert len(seen) >= 100
    check_ends([each["data"] for each in seen if each["event"] == "run"], trial)
    assert "start" in {each["data"]["kind"] for each in seen if each["event"] == "note"}


def check_ends(told: list[dict[str, Any]], trial: Trial) -> None:
    """See that the ledger holds every end that was told, and that each of its ends was."""
    ends = {each["run_id"]: each["status"] for each in told if each["status"] in ENDED}
    assert len(ends) == sum(each["status"] in ENDED for each in told), "an end is told once"
    runs = {each.run_id: each for each in runs_in(trial.home.database("paper"))}
    assert all(runs[run_id].status == status for run_id, status in ends.items())
    latest = max(runs[each].key.due for each in ends)
    before = {run_id for run_id, row in runs.items() if row.key.due < latest}
    assert before <= ends.keys(), "every end that lies before is told"


def test_what_is_told_can_be_chosen_and_is_in_the_ledger(trial: Trial) -> None:
    with trial.service() as service:
        port = port_of(service)
        query = "?plugin=p3&status=succeeded"
        with following(trial, port, beginning(trial, port), query) as answer:
            told = [each["data"] for each in islice(events(answer), 4) if "data" in each]
        assert {(each["plugin_id"], each["status"]) for each in told} == {("p3", "succeeded")}
        record = trial.ask("run-info", told[0]["run_id"])
        assert {name: record[name] for name in told[0]} == told[0]
        assert "outputs" not in told[0]
