"""A home, a ledger that was really played, and the program as a function."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from optifire.cli.main import main
from optifire.host.home import Home, init_home


@dataclass(frozen=True)
class Answer:
    """What one call of the program gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Mapping[str, str]:
        """Give the error of a call with ``--json``."""
        found: Mapping[str, str] = json.loads(self.err)["error"]
        return found


Program = Callable[..., Answer]


@pytest.fixture
def optifire(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Program:
    """Give the program as a function, in a folder that is no home."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("OPTIFIRE_HOME", raising=False)
    monkeypatch.delenv("OPTIFIRE_ENVIRONMENT", raising=False)

    def call(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def known_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home whose plugins have been asked, with eight sessions of 2018 in its ledger."""
    folder = tmp_path_factory.mktemp("known") / "home"
    init_home(folder)
    days = ["--from", "2018-11-19", "--to", "2018-11-30"]
    ledger = str(folder / "data" / "demo.db")
    assert main(["--home", str(folder), "replay", *days, "--db", ledger, "--json"]) == 0
    return folder


@pytest.fixture
def home(known_home: Path, tmp_path: Path) -> Path:
    """Give a home of one's own with that ledger."""
    return Path(shutil.copytree(known_home, tmp_path / "home"))


@pytest.fixture
def fresh(home: Path) -> Path:
    """Give a home in which nothing has run yet."""
    for file in Home(home).data.glob("demo.db*"):
        file.unlink()
    return home
