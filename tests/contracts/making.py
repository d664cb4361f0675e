"""Every worker there is, made for a home."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from optifire.core.ports import Worker
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.pooled import PooledWorker
from optifire.workers.residents import ResidentWorker, blind


def make(kind: str, home: Path) -> Worker:
    """Make a worker of one kind, not started; a resident one needs an isolated one beside it."""
    settings = WorkerSettings(home, home / "data")
    if kind == "inline":
        return InlineWorker(home / "data")
    return IsolatedWorker(settings) if kind == "isolated" else PooledWorker(settings, size=3)


async def workers_of(kind: str, home: Path) -> AsyncIterator[Worker]:
    """Give a worker of one kind that has been started, and end it afterwards."""
    if kind == "resident":
        isolated = IsolatedWorker(WorkerSettings(home, home / "data"))
        await isolated.start()
        resident = ResidentWorker(isolated, lambda: datetime(2018, 11, 23, tzinfo=UTC), blind)
        yield resident
        await resident.stop()
        await isolated.stop()
        return
    worker = make(kind, home)
    await worker.start()
    yield worker
    await worker.stop()
