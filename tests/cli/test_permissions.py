"""Permissions and ``context.http`` by the commands: declared, granted, replayed."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Program

IMPL = '''
"""Counts headlines."""

from optifire.plugins import Plugin, PluginContext, PluginMetadata, PluginResult


class News(Plugin):
    def describe(self) -> PluginMetadata:
        return PluginMetadata(
            plugin_id="news", version="1", description="counts headlines",
            permissions=["network:127.0.0.1"],
        )

    def plan(self) -> dict:
        return {"schedule": "@close"}

    async def run(self, context: PluginContext) -> PluginResult:
        answer = await context.api_client.get(context.config["url"])
        answer.raise_for_status()
        return PluginResult(success=True, data={"headlines": len(answer.json())})
'''


class Headlines(BaseHTTPRequestHandler):
    """Answers with three headlines."""

    def do_GET(self) -> None:
        body = b'["a", "b", "c"]'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Headlines) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def switched_on(home: Path, url: str, granted: str) -> Path:
    folder = home / "plugins" / "news"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "impl.py").write_text(IMPL)
    (home / "configs" / "features.yaml").write_text(
        "environment: paper\nplugin_paths: [plugins]\nplugins:\n  news:\n    enabled: true\n"
        f"    permissions: [{granted}]\n    config: {{url: '{url}'}}\n"
    )
    return home


@pytest.mark.row("P147")
def test_a_plugin_fetches_from_a_host_that_it_declares_and_is_granted(
    optifire: Program, home: Path, url: str
) -> None:
    host = url.removeprefix("http://").removesuffix("/")
    switched_on(home, url, f"'network:{host}'")
    record = optifire("--home", home, "run", "news", "--json")
    assert record.code == 0, record
    assert record.json["outputs"] == {"headlines": 3}
    shown = optifire("--home", home, "plugins", "info", "news", "--json").json["permissions"]
    assert shown == {
        "declared": ["network:127.0.0.1"],
        "granted": [f"network:{host}"],
        "effective": [f"network:{host}"],
    }


@pytest.mark.row("P147")
@pytest.mark.parametrize("granted", ["", "'network:127.0.0.2'", "'network:127.0.0.1:1'"])
def test_a_plugin_that_is_not_granted_its_host_fails_and_says_what_to_grant(
    optifire: Program, home: Path, url: str, granted: str
) -> None:
    switched_on(home, url, granted)
    record = optifire("--home", home, "run", "news", "--json")
    assert record.code == 1
    assert record.json["status"] == "failed"
    assert "SecurityError: context.http: news may not fetch from 127.0.0.1" in str(record.json)
    assert "under plugins.news.permissions" in str(record.json)


def test_a_replayed_fetch_is_skipped_as_live_only(optifire: Program, home: Path, url: str) -> None:
    switched_on(home, url, "'network:127.0.0.1'")
    days = ("--from", "2018-11-19", "--to", "2018-11-20", "--plugins", "news")
    said = optifire("--home", home, "replay", *days, "--json")
    assert said.code == 0, said
    assert said.json["statuses"] == {"news": {"skipped": 2}}


def test_a_word_that_is_no_permission_is_told_with_its_line(
    optifire: Program, home: Path, url: str
) -> None:
    switched_on(home, url, "'netwrok:127.0.0.1'")
    found = optifire("--home", home, "lint", "--json").json
    (error,) = [each for each in found if each["level"] == "error"]
    assert "features.yaml:6" in error["where"]
    assert "netwrok" in error["message"]
    assert "Did you mean network:<host>" in error["remedy"]
