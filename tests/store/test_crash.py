# ruff: noqa: ASYNC220, S311 - the child is this test's own; chance must repeat
"""kill -9 of a writer at any moment loses no row that was acknowledged."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from optifire.core.ledger import RunFilter
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

WRITER = Path(__file__).with_name("crash_writer.py")


async def crash_once(path: Path, make_store: Callable[..., SqliteStore], rng: random.Random) -> int:
    """Kill a writer after it has acknowledged a number of rows; gives how many it had."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    wanted = rng.randrange(1, 400)
    acknowledged = [process.stdout.readline().strip() for _ in range(wanted)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [
        line.strip()
        for line in process.stdout.read().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    process.wait()
    process.stdout.close()
    store = make_store(path)
    found = await store.open()
    assert not found.clean
    await store.close()
    async with LedgerReader(path) as reader:
        kept = {run.run_id for run in await reader.runs(RunFilter(limit=10_000_000))}
        reader_features = {run_id for run_id in acknowledged if await reader.writes(run_id)}
    assert set(acknowledged) <= kept
    assert reader_features == set(acknowledged)
    return len(acknowledged)


async def test_no_acknowledged_row_is_lost(
    path: Path, make_store: Callable[..., SqliteStore]
) -> None:
    rng = random.Random(7)
    for number in range(3):
        assert await crash_once(path.with_name(f"{number}.db"), make_store, rng) > 0


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_no_acknowledged_row_is_lost_in_fifty_crashes_of_one_ledger(
    path: Path, make_store: Callable[..., SqliteStore]
) -> None:
    rng = random.Random(11)
    for _ in range(50):
        await crash_once(path, make_store, rng)
