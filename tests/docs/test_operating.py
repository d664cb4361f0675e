"""The operator's page: its commands are given to a demo that runs, and to one that has stopped."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optifire.core.run import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.docs.conftest import Block, Reader

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
FIRST = "alpha_vix_regime@20180129T143000Z"

pytestmark = pytest.mark.timeout(300)


def commands(blocks: list[Block]) -> list[str]:
    return [command for block in blocks for command in block.commands]


@pytest.fixture(scope="module")
def stopped(new_reader: Callable[[], Reader]) -> Reader:
    """Give a reader in a home whose demo has run for a while and was stopped."""
    reader = new_reader()
    reader.give("optifire init home")
    reader.give("cd home")
    with demo(reader):
        pass
    return reader


@pytest.fixture
def running(stopped: Reader) -> Iterator[Reader]:
    """Give the same reader while the demo goes on."""
    with demo(stopped):
        yield stopped


class demo:  # noqa: N801 - reads as a statement: with demo(reader)
    """A running demo whose first run is recorded; ends by SIGTERM, which must be clean."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __enter__(self) -> None:
        with (self._reader.folder / "up.log").open("wb") as log:
            self._service = subprocess.Popen(
                ["optifire", "up", "--no-view", "--pace", "2"],
                cwd=self._reader.folder,
                env=self._reader.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not self._has_run():
            assert self._service.poll() is None, (self._reader.folder / "up.log").read_text()

    def _has_run(self) -> bool:
        asked = self._reader.try_to(f"optifire run-info {FIRST} --json")
        return '"succeeded"' in asked.stdout

    def __exit__(self, *_: object) -> None:
        self._service.send_signal(signal.SIGTERM)
        assert self._service.wait(timeout=30) == 0, (self._reader.folder / "up.log").read_text()


def test_every_command_of_the_page_works_beside_a_running_service(
    running: Reader, blocks_of: Callable[[Path], list[Block]]
) -> None:
    given = commands(blocks_of(PAGE))
    assert len(given) >= 25
    running.follow(blocks_of(PAGE))


@pytest.mark.parametrize(
    "command",
    ["status", "doctor", "runs --limit 20", "why alpha_vix_regime", f"run-info {FIRST}", "next"],
)
def test_a_service_that_is_down_hides_nothing(
    stopped: Reader, blocks_of: Callable[[Path], list[Block]], command: str
) -> None:
    assert f"optifire {command}" in commands(blocks_of(PAGE))
    assert stopped.give(f"optifire {command}")


def test_every_status_is_explained_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\n## What ran", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {status.value for status in TERMINAL}
