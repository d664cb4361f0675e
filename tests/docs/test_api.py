"""The page of the HTTP API says what the service has, and its commands work on a demo."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.api.document import document
from optifire.api.routes_change import CHANGES
from optifire.api.routes_events import events
from optifire.api.routes_read import READS
from optifire.core.settings_api import API_FIELDS
from trial import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.docs.conftest import Block, Reader

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_route_is_in_the_table_with_the_role_that_it_needs() -> None:
    served = {
        (str(method), re.sub(r":str\}", "}", path)): "open"
        if handler.opt.get("public")
        else handler.opt["role"].value
        for handler in (*READS, *CHANGES, events, document)
        for path in handler.paths
        for method in handler.http_methods
    }
    rows = re.findall(r"^\| (GET|POST) \| `(\S+)` \| (\w+) \| .+ \|$", TEXT, re.MULTILINE)
    assert {(method, path): role for method, path, role in rows} == served
    assert len(rows) == len(served)


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(api\.\w+)` \| (.+) \|$", TEXT, re.MULTILINE))
    for setting in API_FIELDS:
        default = setting.otherwise or f"`{str(setting.default).replace('False', 'false')}`"
        assert rows.pop(setting.key) == f"{setting.doc} | {default}"
    assert rows == {}


@pytest.fixture(scope="module")
def running(new_reader: Callable[[], Reader]) -> Iterator[tuple[Reader, str]]:
    """Give a reader in the home of a demo with the API, and the port that it has."""
    reader = new_reader()
    reader.give("optifire init home")
    reader.give("cd home")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    file = reader.folder / "configs" / "config.yaml"
    text = file.read_text(encoding="utf-8")
    assert "enabled: false" in text.partition("\napi:")[2]
    head, _, api = text.partition("\napi:")
    api = api.replace("enabled: false", "enabled: true").replace("8765", port)
    file.write_text(f"{head}\napi:{api}", encoding="utf-8")
    with (reader.folder / "up.log").open("wb") as log:
        service = subprocess.Popen(
            ["optifire", "up", "--no-view", "--pace", "1"],
            cwd=reader.folder,
            env=reader.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: "the API answers" in (reader.folder / "up.log").read_text(), what="an API")
        yield reader, port
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0


@pytest.mark.timeout(120)
def test_the_commands_of_the_page_work(
    running: tuple[Reader, str], blocks_of: Callable[[Path], list[Block]]
) -> None:
    reader, port = running
    commands = [each for block in blocks_of(PAGE) for each in block.commands]
    assert len(commands) > 4
    for command in commands:
        assert reader.give(command.replace("8765", port)).strip()
