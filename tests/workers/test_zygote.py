"""Zygotes: nothing outlives a service that is killed, and bad files hurt only who reads them."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from optifire.core.run import RunStatus
from optifire.workers.isolated import IsolatedWorker, WorkerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.conftest import Ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: A service of few lines: one run that never ends, in a light process.
SERVICE = """
import asyncio, sys
from pathlib import Path
from optifire.workers.isolated import IsolatedWorker, WorkerSettings
from optifire.workers import messages as say

async def main():
    home = Path(sys.argv[1])
    worker = IsolatedWorker(WorkerSettings(home, home / "data"))
    await worker.start()
    described = asyncio.ensure_future(worker.describe(sys.argv[2]))
    print("up", flush=True)
    await described

asyncio.run(main())
"""


async def test_no_process_outlives_a_service_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "impl.py").write_text("while True:\n    pass\n")
    command = [sys.executable, "-c", SERVICE, str(tmp_path), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as service:  # noqa: ASYNC220 - a service
        assert service.stdout is not None
        assert service.stdout.readline() == b"up\n"
        family: list[psutil.Process] = []
        while len(family) < 2:  # the zygote and its child
            family = psutil.Process(service.pid).children(recursive=True)
        service.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


async def test_a_damaged_file_of_the_user_fails_only_who_reads_it(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "data" / "bars").mkdir(parents=True)
    (tmp_path / "data" / "bars" / "SPX.csv").write_text("nonsense")
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data", warm=("SPX", "VIX")))
    try:
        fine = await worker.run(ask("count", modules=("pandas",)))
        assert fine.status is RunStatus.SUCCEEDED
        hurt = await worker.run(ask("market", modules=("pandas",)))
        assert hurt.status is RunStatus.FAILED
        assert hurt.failure is not None
        assert "SPX.csv" in hurt.failure.message
    finally:
        await worker.stop()


async def test_a_zygote_that_cannot_start_is_an_outcome_not_an_error(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data"))
    outcome = await worker.run(ask("count"))
    assert outcome.status is RunStatus.FAILED
    assert outcome.reason is not None
    assert outcome.reason.code == "not started"
    await worker.stop()
