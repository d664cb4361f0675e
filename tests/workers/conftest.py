"""What the tests of workers share: requests, a view without anything, workers with zygotes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from optifire.core.calendar import AlwaysOpen
from optifire.core.job import Code, Job
from optifire.core.ports import Given, RunRequest
from optifire.core.run import RunKey
from optifire.core.schedule import Schedule
from optifire.core.types import Encoded, PluginId
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.pooled import PooledWorker

PLUGINS = Path(__file__).parent / "plugins"
DUE = datetime(2018, 11, 23, 18, tzinfo=UTC)

#: Makes a request: what to do, and any field of request, code or job.
Ask = Callable[..., RunRequest]


@dataclass(frozen=True)
class Nothing:
    """A view of an empty world."""

    def names(self) -> Sequence[str]:
        return ()

    def value(self, name: str) -> Given | None:
        return None

    async def fetch(self, sql: str, params: Encoded, *, one: bool) -> Encoded:
        return Encoded(b"\x90")


@pytest.fixture(scope="session")
def ask() -> Ask:
    def make(do: str, plugin: str = "acts", **changes: Any) -> RunRequest:
        folder = changes.pop("folder", PLUGINS / plugin)
        code = Code(str(folder), "", changes.pop("checksum", ""), changes.pop("modules", ()))
        config = {"do": do, **changes.pop("config", {})}
        schedule = Schedule((), AlwaysOpen(), "UTC")
        job = Job(PluginId(plugin), "1", "infra", schedule, code, config=config)
        key = RunKey(PluginId(plugin), changes.pop("due", DUE))
        made = RunRequest(key, key.run_id, 1, job, DUE, 30.0, {}, Nothing())
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def isolated(home: Path) -> AsyncIterator[IsolatedWorker]:
    worker = IsolatedWorker(WorkerSettings(home, home / "data", warm=("SPX",)))
    await worker.start()
    yield worker
    await worker.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pooled(home: Path) -> AsyncIterator[PooledWorker]:
    settings = WorkerSettings(home, home / "data", warm=("SPX",), replay=True)
    worker = PooledWorker(settings, size=2, modules=("pandas",))
    await worker.start()
    yield worker
    await worker.stop()
