"""One message through a real child, apprise and a real HTTP server on this machine."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optifire.ops import apprise_child, sending
from optifire.ops.apprise_child import REFUSED, UNKNOWN, Codes
from optifire.ops.messages import Message
from optifire.ops.sending import NOT_INSTALLED, NOT_SET, lacking, reason_of, send
from optifire.workers.children import children
from trial_hook import TOKEN, Hook, hook

MESSAGE = Message("OptiFIRE: a was missed", "Why: a <b> & *c*\nWhat to do: nothing", "failure")


@pytest.fixture
def webhook() -> Iterator[Hook]:
    """Give a webhook that takes messages."""
    with hook() as made:
        yield made


async def test_a_message_arrives_as_it_was_written(webhook: Hook) -> None:
    assert await send(webhook.address, MESSAGE) == ""
    posted = webhook.posted[0]
    assert (posted["title"], posted["message"]) == (MESSAGE.title, MESSAGE.body)
    assert posted["type"] == "failure"


async def test_the_code_of_a_refusal_is_told_and_nothing_of_the_address(webhook: Hook) -> None:
    webhook.status = 404
    assert await send(webhook.address, MESSAGE) == "it answered with HTTP 404"


async def test_a_target_that_hangs_is_given_up_and_its_child_is_gone(webhook: Hook) -> None:
    webhook.answers.clear()
    before = set(children(many_threads=True))
    assert await send(webhook.address, MESSAGE, 1.5) == "it has not taken the message within 1.5 s"
    assert set(children(many_threads=True)) <= before


async def test_an_address_that_nobody_knows_is_not_repeated() -> None:
    assert await send(f"nonsense {TOKEN}", MESSAGE) == UNKNOWN


async def test_a_port_where_nobody_listens_is_not_named() -> None:
    with hook() as gone:
        address = gone.address
    assert await send(address, MESSAGE) == REFUSED


async def test_a_child_that_cannot_be_started_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    reason = await send("json://127.0.0.1/x", MESSAGE)
    assert reason == "no process could be started: No such file or directory"


async def test_a_child_that_ends_otherwise_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MODULE", "optifire.ops.no_such_module")
    reason = await send("json://127.0.0.1/x", MESSAGE)
    assert reason == "the process that sends ended with exit code 1"


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"reason": 3}', b"\xff"])
def test_what_is_no_answer_is_a_reason(said: bytes) -> None:
    assert reason_of(0, said) == "the process that sends ended with exit code 0"
    assert reason_of(-9, b'{"reason": ""}') == "the process that sends ended with exit code -9"


def test_what_is_lacking_is_told_without_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking("") == NOT_SET
    assert lacking("json://127.0.0.1/x") == ""
    monkeypatch.setattr(sending, "find_spec", lambda _: None)
    assert lacking("json://127.0.0.1/x") == NOT_INSTALLED


async def test_without_the_package_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert await send("json://127.0.0.1/x", MESSAGE) == NOT_INSTALLED


def test_of_complaints_only_the_code_is_kept() -> None:
    codes = Codes()
    text = f"Failed to send to https://h/{TOKEN}: Not Found, error=404."
    codes.handle(logging.LogRecord("apprise", logging.WARNING, "", 0, text, (), None))
    codes.handle(logging.LogRecord("apprise", logging.WARNING, "", 0, TOKEN, (), None))
    assert codes.found == ["404"]


def test_the_service_imports_neither_apprise_nor_what_comes_with_it() -> None:
    text = (
        "import sys, optifire.cli.serving, optifire.cli.commands_alerts\n"
        "sys.exit(bool({'apprise', 'requests', 'markdown', 'click'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


def test_the_child_imports_nothing_from_the_folder_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise SystemExit(3)", encoding="utf-8")
    (tmp_path / "json.py").write_text("raise SystemExit(4)", encoding="utf-8")
    script = (
        "import asyncio\n"
        "from optifire.ops.messages import Message\n"
        "from optifire.ops.sending import send\n"
        "print(asyncio.run(send('nonsense', Message('t', 'b', 'info'))))"
    )
    command = [sys.executable, "-P", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == UNKNOWN, done.stderr
    assert apprise_child.UNKNOWN == UNKNOWN
