"""Code blocks of the documents, and a shell that follows them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\A# (?P<path>[\w./-]+\.(?:py|yaml))\n")
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Block:
    """One fenced block; ``path`` is the file that its first line names, if it does."""

    language: str
    text: str
    line: int

    @property
    def path(self) -> str | None:
        named = NAMED.match(self.text)
        return None if named is None else named["path"]

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def read_blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["text"], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


class Reader:
    """Somebody who does what a document says: writes its files and gives its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        others = {name: value for name, value in os.environ.items() if name[:9] != "OPTIFIRE_"}
        self.environ = {**others, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def follow(self, blocks: Iterable[Block]) -> None:
        """Write every block that names a file, and run every command, in their order."""
        for block in blocks:
            if block.path is not None:
                file = self.folder / block.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            for command in block.commands:
                self.give(command)

    def give(self, command: str) -> str:
        """Give one command, which must succeed; `cd` is remembered."""
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ")
            return ""
        done = self.try_to(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def try_to(self, command: str) -> subprocess.CompletedProcess[str]:
        """Give one command, which may fail."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, command: str) -> Any:
        """Give one command of `optifire` and read its JSON."""
        return json.loads(self.give(f"{command} --json"))


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Path], list[Block]]:
    """Give the function that reads the fenced blocks of a document."""
    return read_blocks


@pytest.fixture(scope="session")
def new_reader(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Reader]:
    """Give the function that makes a reader in an empty folder."""
    return lambda: Reader(tmp_path_factory.mktemp("reader"))
