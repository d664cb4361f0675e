"""Every worker there is, made for a home."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from optifire.core.ports import Outcome, RunRequest, Worker
from optifire.workers.inline import InlineWorker
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers.pooled import PooledWorker
from optifire.workers.residents import ResidentWorker, blind


class Sandboxed:
    """A worker that makes every attempt in a sandbox."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.name = worker.name

    async def start(self) -> None:
        await self._worker.start()

    async def run(self, request: RunRequest) -> Outcome:
        request.job = replace(request.job, sandbox=True)
        return await self._worker.run(request)

    async def stop(self) -> None:
        await self._worker.stop()


def make(kind: str, home: Path) -> Worker:
    """Make a worker of one kind, not started; a resident one needs an isolated one beside it."""
    settings = WorkerSettings(home, home / "data")
    if kind == "inline":
        return InlineWorker(home / "data")
    return IsolatedWorker(settings) if kind == "isolated" else PooledWorker(settings, size=3)


async def workers_of(kind: str, home: Path) -> AsyncIterator[Worker]:
    """Give a worker of one kind that has been started, and end it afterwards.

    ``sandboxed`` after the kind: every attempt of it has a sandbox.
    """
    if kind.endswith(" sandboxed"):
        async for worker in workers_of(kind.removesuffix(" sandboxed"), home):
            yield Sandboxed(worker)
        return
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
