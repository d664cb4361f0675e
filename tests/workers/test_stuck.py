"""A zygote that somebody has stopped goes on: nobody's run waits for longer than a moment."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from optifire.core.run import RunStatus
from optifire.workers.isolated import IsolatedWorker, WorkerSettings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.conftest import Ask


async def test_a_zygote_that_was_stopped_is_told_to_go_on(tmp_path: Path, ask: Ask) -> None:
    worker = IsolatedWorker(WorkerSettings(tmp_path, tmp_path / "data"))
    try:
        await worker.start()
        (zygote,) = worker.zygote_pids()
        os.kill(zygote, signal.SIGSTOP)
        outcomes = await asyncio.gather(*(worker.run(ask("count")) for _ in range(4)))
        assert {outcome.status for outcome in outcomes} == {RunStatus.SUCCEEDED}
        assert worker.zygote_pids() == [zygote]
    finally:
        await worker.stop()
