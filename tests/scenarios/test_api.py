"""The HTTP API of a service that runs: tokens, reading, changing, and what it writes down."""

import json
import re
import socket
import stat
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from optifire.core.access import Role
from optifire.host.documents import read_document
from optifire.host.tokens import TokenFile
from optifire.runtime.clock import wall_now
from trial import Service, Trial, until

SECOND = timedelta(seconds=1)
EACH_SECOND = {"schedule": "interval_1s"}
WAITS = "import asyncio\nawait asyncio.sleep(60)\nreturn PluginResult(success=True)"


class Client:
    """Asks the API of a home, as the first token may."""

    def __init__(self, trial: Trial, port: int) -> None:
        self.port = port
        self.token = trial.home.first_token.read_text(encoding="utf-8").strip()

    def ask(
        self, path: str, method: str = "GET", body: object = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Give status, body (read where it is JSON) and headers of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"Authorization": f"Bearer {self.token}", **headers}
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            said = answer.read()
            return answer.status, json.loads(said) if b"{" in said[:1] else said, found
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Give the body of an answer that must be one."""
        status, body, _ = self.ask(path)
        assert status == 200, body
        return body

    def post(self, path: str, body: object = None) -> Any:
        """Give the body of a change that must be made."""
        status, said, _ = self.ask(path, "POST", body)
        assert status == 200, said
        return said


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Give a home on the wall clock whose API takes a free port."""
    trial = Trial(tmp_path_factory.mktemp("api") / "home")
    trial.plugin("steady", plan=EACH_SECOND)
    trial.plugin("other", plan=EACH_SECOND)
    trial.plugin("byhand", plan={"schedule": "@manual"})
    trial.plugin("slow", WAITS, plan={"schedule": "@manual"})
    trial.enable("steady", "other", "byhand", "slow", environment="paper")
    trial.configure(api={"enabled": True, "port": 0, "requests_per_minute": 1000000})
    return trial


@pytest.fixture(scope="module")
def service(trial: Trial) -> Iterator[Service]:
    """Give its service."""
    with trial.service() as running:
        yield running


@pytest.fixture(scope="module")
def client(trial: Trial, service: Service) -> Client:
    """Give a client with the first token."""
    found = until(
        lambda: re.search(r"the API answers at http://127\.0\.0\.1:(\d+)", service.said()),
        what="an API that answers",
    )
    return Client(trial, int(found[1]))


def ledger(trial: Trial) -> Path:
    return trial.home.database("paper")


@pytest.mark.row("A137")
@pytest.mark.row("O042")
def test_health_says_what_the_command_says(trial: Trial, client: Client) -> None:
    until(lambda: client.get("/health/ready")["ready"], what="readiness")
    said, printed = client.get("/health/checks"), trial.ask("health")
    assert said.keys() == printed.keys()
    assert said["checks"].keys() == printed["checks"].keys()


def test_the_first_token_is_in_a_file_that_nobody_else_may_read(
    trial: Trial, client: Client
) -> None:
    for file in (trial.home.first_token, trial.home.tokens):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert client.token not in trial.home.tokens.read_text(encoding="utf-8")
    assert client.token.rpartition("_")[2] not in trial.home.tokens.read_text(encoding="utf-8")
    assert client.get("/tokens")["items"][0]["name"] == "first"


@pytest.mark.row("O046")
@pytest.mark.parametrize(
    "path",
    ["/status", "/plugins", "/plugins/steady", "/runs", "/cycles", "/next", "/why/steady", "/graph",
     "/config", "/config/flags", "/budgets", "/audit", "/openapi.json"],
)  # fmt: skip
def test_what_can_be_read_is_there(client: Client, path: str) -> None:
    assert client.get(path)


@pytest.mark.row("O046")
def test_metrics_are_what_the_command_prints(trial: Trial, client: Client) -> None:
    status, text, headers = client.ask("/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    printed = trial.give("metrics").stdout
    names = re.findall(r"^# TYPE (\S+)", printed, re.MULTILINE)
    assert names
    assert re.findall(r"^# TYPE (\S+)", text.decode(), re.MULTILINE) == names


@pytest.mark.row("O041")
@pytest.mark.row("O046")
def test_a_toggle_is_in_force_within_a_second_and_in_the_history_with_its_author(
    trial: Trial, client: Client
) -> None:
    for kind, enabled in (("disabled", False), ("enabled", True)):
        before = len(trial.notes(kind, ledger(trial)))
        asked = wall_now()
        said = client.post(f"/config/flags/other/toggle?enabled={str(enabled).lower()}")
        assert (said["enabled"], said["changed"]) == (enabled, True)
        (note,) = trial.notes(kind, ledger(trial))[before:]
        assert note.subject == "other"
        assert note.at - asked < SECOND
        author = client.get("/config")["versions"][0]["author"]
        assert author.startswith("api: first (admin, token ")
        text = client.get("/audit")["items"][0]["text"]
        assert text.startswith(f"enabled: {str(enabled).lower()}; by first (admin, token ")
        assert client.get("/config/flags")["flags"]["other"] is enabled
        plugins = read_document(trial.features).data["plugins"]
        assert plugins["other"] == {"enabled": enabled}


def test_a_plugin_that_nobody_has_is_not_switched(client: Client) -> None:
    before = client.get("/audit")["items"]
    status, said, _ = client.ask("/config/flags/nobody/toggle?enabled=true", "POST")
    assert (status, said["type"]) == (404, "urn:optifire:error:NotFoundError")
    assert client.get("/audit")["items"] == before


@pytest.mark.row("O046")
def test_a_run_by_hand_is_recorded_with_its_author(client: Client) -> None:
    record = client.post("/plugins/byhand/run", {"why": "a look"})
    assert (record["kind"], record["status"]) == ("manual", "succeeded")
    info = client.get(f"/runs/{record['run_id']}?logs=true")
    assert info["why"].startswith("a look; by first (admin, token ")


@pytest.mark.row("O046")
def test_a_run_that_goes_on_is_cancelled_with_its_author(trial: Trial, client: Client) -> None:
    with trial.start("run", "slow") as command:
        found = until(
            lambda: [each for each in client.get("/status")["running"] if "slow" in str(each)],
            what="the slow run",
        )
        run_id = re.search(r"slow@[^'\"]+", str(found))[0]  # type: ignore[index]
        said = client.post(f"/runs/{run_id}/cancel", {"why": "enough"})
        assert said == {"ok": True, "changed": [run_id]}
        command.wait(30)
    record = client.get(f"/runs/{run_id}")
    assert record["status"] == "cancelled"
    assert "enough; by first" in str(record)
    assert client.ask(f"/runs/{run_id}/cancel", "POST", {"why": "late"})[0] == 404
    refused, asked, *_ = client.get("/audit")["items"]
    assert asked["text"].startswith("cancel: late; by first (admin, token ")
    assert refused["text"].startswith("refused: cancel: late; by first (admin, token ")
    assert refused["text"].endswith(f"no run '{run_id}' goes on")
    assert (refused["subject"], asked["subject"]) == (run_id, run_id)
    assert client.ask("/runs/nonsense/cancel", "POST")[0] == 404


@pytest.mark.row("O046")
def test_a_pause_holds_until_it_is_ended_and_names_its_author(client: Client) -> None:
    said = client.post("/plugins/other/pause", {"why": "odd data"})
    assert said["changed"] == ["other"]
    assert "first (admin" in client.get("/plugins/other")["paused"]
    until(
        lambda: client.get("/runs?plugin=other&status=skipped&limit=1")["items"],
        what="an occurrence that was skipped",
    )
    assert client.post("/plugins/other/resume")["paused"] is None
    assert client.post("/pause")["all"] is True
    assert client.post("/resume")["all"] is False


@pytest.mark.row("O046")
def test_pages_give_each_run_once_while_new_ones_arrive(trial: Trial, client: Client) -> None:
    until(lambda: len(trial.runs(ledger(trial))) > 8, what="some runs")
    before = {row.run_id for row in trial.runs(ledger(trial))}
    seen: list[str] = []
    cursor = ""
    for number in count():
        page = client.get(f"/runs?limit=3{cursor}")
        seen += [each["run_id"] for each in page["items"]]
        if page["next"] is None:
            break
        if number == 0:
            client.post("/plugins/byhand/run")
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_pages_of_cycles_give_each_once_and_count_its_runs(trial: Trial, client: Client) -> None:
    until(lambda: client.get("/cycles?limit=2")["next"], what="three cycles")
    client.post("/pause")
    first = client.get("/cycles?limit=500")["items"]
    page = client.get("/cycles?limit=2")
    seen = page["items"]
    while page["next"] is not None:
        page = client.get(f"/cycles?limit=2&cursor={page['next']}")
        seen += page["items"]
    client.post("/resume")
    known = [(each["due"], each["turn"]) for each in seen]
    assert len(known) == len(set(known))
    assert {(each["due"], each["turn"]) for each in first} <= set(known)
    assert all(each["runs"] == sum(each["statuses"].values()) for each in seen)
    assert client.ask("/cycles?cursor=nonsense")[0] == 400


def test_a_run_that_has_not_changed_is_not_sent_again(client: Client) -> None:
    record = client.post("/plugins/byhand/run")
    path = f"/runs/{record['run_id']}"
    tag = client.ask(path)[2]["etag"]
    assert client.ask(path, **{"If-None-Match": tag})[:2] == (304, b"")


def test_a_token_by_command_holds_at_once_and_until_it_is_revoked(
    trial: Trial, client: Client
) -> None:
    made = trial.ask("token", "create", "desk", "--role", "viewer")
    other = Client(trial, client.port)
    other.token = made["token"]
    assert other.ask("/status")[0] == 200
    assert other.ask("/plugins/steady/run", "POST")[0] == 403
    assert [each["role"] for each in trial.ask("token", "list")][-1] == "viewer"
    assert trial.ask("token", "revoke", made["id"]) == {"ok": True, "changed": [made["id"]]}
    assert other.ask("/status")[0] == 401
    assert trial.refused("token", "revoke", "00000000")["type"] == "NotFoundError"


@pytest.mark.parametrize(
    "said",
    [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "example.com"}, {"host": ""},  # noqa: S104
     {"host": "0.0.0.0", "tls_key": "key.pem"}],  # noqa: S104
)  # fmt: skip
def test_an_api_in_clear_text_is_not_bound_where_others_can_reach_it(
    tmp_path: Path, said: dict[str, object]
) -> None:
    trial = Trial(tmp_path / "home")
    trial.configure(api={"enabled": True, "port": 0, **said})
    error = trial.refused("up", "--no-view", code=2)
    assert "config.yaml" in error["where"] + error["message"]
    assert not trial.home.first_token.exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        trial.configure(api={"enabled": True, "port": port})
        error = trial.refused("up", "--no-view")
    assert f"127.0.0.1:{port}" in error["message"]
    assert "api.port" in error["where"]


def test_the_first_token_is_made_once(tmp_path: Path) -> None:
    tokens, target = TokenFile(tmp_path / "tokens.json"), tmp_path / "first"
    assert tokens.begin(target, wall_now())
    text = target.read_text(encoding="utf-8").strip()
    caller = tokens.identify(text)
    assert caller is not None
    assert caller.role is Role.ADMIN
    assert not tokens.begin(target, wall_now())
    assert target.read_text(encoding="utf-8").strip() == text
