"""A home, a ledger that was really played, and the program as a function."""

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from optifire.cli.main import main
from optifire.core.budget import Budget, Measured, Usage, soft_breaches
from optifire.core.ledger import Batch, RunRow, new_run
from optifire.core.run import Reason, RunKey, RunStatus
from optifire.core.types import PluginId
from optifire.host.home import Home, init_home
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
BUDGET = Budget(100.0, 32.0)  # what fe_garch has by its own estimate


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
Ran = Callable[..., Path]


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


def ended(plugin_id: str, number: int, cpu: float, mem: float | None, status: RunStatus) -> RunRow:
    """Give a run that ended on day ``number``."""
    row = new_run(RunKey(PluginId(plugin_id), T + timedelta(days=number)), status)
    row.started_at = row.finished_at = row.key.due
    measured = Measured.EXACT if mem is None else Measured.METERED
    row.worker = "inline" if mem is None else "isolated"
    row.usage, row.budget = Usage(cpu, mem, cpu, measured), BUDGET
    row.breaches = soft_breaches(row.usage, BUDGET)
    row.reason = Reason(row.breaches[0]) if status is RunStatus.OVER_BUDGET else None
    return row


@pytest.fixture
def ran(fresh: Path) -> Ran:
    """Give a home in whose ledger runs used so many (ms, MB) each, one a day."""

    def fill(
        plugin_id: str,
        figures: Sequence[tuple[float, float | None]],
        status: RunStatus = RunStatus.SUCCEEDED,
        first: int = 0,
    ) -> Path:
        rows = [ended(plugin_id, first + n, *each, status) for n, each in enumerate(figures)]

        async def write() -> None:
            store = SqliteStore(Home(fresh).database("demo"), clock=lambda: T)
            await store.open()
            await store.commit(Batch(runs=rows))
            await store.close()

        asyncio.run(write())
        return fresh

    return fill
