"""Old runs are removed in slices: how large, how often, and what waits."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optifire.app.pruning import FIRST_SLICE, LEAST_SLICE, MOST_SLICE, MUCH, Pruning
from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, RunFilter, Statement, TableWrites, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.settings import RetentionSettings
from optifire.core.types import Encoded, PluginId
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

NOW = datetime(2019, 12, 31, tzinfo=UTC)
ROW = Statement("INSERT INTO features (feature_name, value) VALUES ('x', 1.0)", Encoded(b"\x90"))
KEEP = RetentionSettings(days=30, runs=100_000)


class Ledger:
    """A real ledger, of which each commit takes the seconds that a test says."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.seconds = 0.001
        self.now = 0.0
        self.slices: list[int] = []
        self.rests: list[float] = []
        self.pruning = Pruning(store.path, self.commit, lambda: self.now, self.rest)

    async def commit(self, batch: Batch) -> Sequence[object]:
        self.slices.append(len(batch.pruned) + len(batch.pruned_rows))
        self.now += self.seconds
        return await self.store.commit(batch)

    async def rest(self, seconds: float) -> None:
        self.rests.append(seconds)

    async def left(self) -> int:
        async with LedgerReader(self.store.path) as reader:
            return len(await reader.runs(RunFilter(limit=100_000)))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    store = SqliteStore(tmp_path / "paper.db", clock=lambda: NOW)
    await store.open()
    yield Ledger(store)
    await store.close()


async def fill(ledger: Ledger, count: int) -> None:
    """Write so many runs of long ago, one a minute."""
    begin = NOW - timedelta(days=300)
    keys = [RunKey(PluginId("fe_x"), begin + timedelta(minutes=n)) for n in range(count)]
    await ledger.store.commit(Batch(runs=[new_run(key, RunStatus.SUCCEEDED) for key in keys]))


@pytest.mark.row("O040")
async def test_all_that_is_old_goes_but_for_the_newest_ten(ledger: Ledger) -> None:
    await fill(ledger, 300)
    assert await ledger.pruning.go(KEEP, NOW, quiet=True) == 290
    assert await ledger.left() == 10
    assert await ledger.pruning.go(KEEP, NOW, quiet=True) == 0


async def test_little_waits_until_it_is_quiet_and_much_does_not(ledger: Ledger) -> None:
    await fill(ledger, 300)
    assert await ledger.pruning.go(KEEP, NOW, quiet=False) == 0
    assert await ledger.left() == 300
    many = RetentionSettings(days=30, runs=100)
    begin = NOW - timedelta(days=10)
    keys = [RunKey(PluginId("fe_y"), begin + timedelta(seconds=n)) for n in range(MUCH + 100)]
    await ledger.store.commit(Batch(runs=[new_run(key, RunStatus.SUCCEEDED) for key in keys]))
    assert await ledger.pruning.go(many, NOW, quiet=False) == MUCH + 290


async def test_slices_shrink_when_they_take_too_long_and_grow_when_not(ledger: Ledger) -> None:
    await fill(ledger, 1500)
    await ledger.pruning.go(KEEP, NOW, quiet=True)
    assert ledger.slices[0] == FIRST_SLICE
    assert max(ledger.slices) == MOST_SLICE
    await fill_more(ledger)
    ledger.seconds = 0.02
    ledger.slices.clear()
    await ledger.pruning.go(KEEP, NOW, quiet=True)
    assert ledger.slices[-2] == LEAST_SLICE


async def fill_more(ledger: Ledger) -> None:
    begin = NOW - timedelta(days=200)
    keys = [RunKey(PluginId("fe_x"), begin + timedelta(minutes=n)) for n in range(700)]
    await ledger.store.commit(Batch(runs=[new_run(key, RunStatus.SUCCEEDED) for key in keys]))


async def test_the_writer_rests_four_times_as_long_as_it_worked(ledger: Ledger) -> None:
    await fill(ledger, 200)
    ledger.seconds = 0.004
    await ledger.pruning.go(KEEP, NOW, quiet=True)
    assert ledger.slices
    assert ledger.rests == [pytest.approx(max(0.02, 0.016))] * len(ledger.slices)
    await fill_more(ledger)
    ledger.rests.clear()
    ledger.slices.clear()
    ledger.seconds = 0.05
    await ledger.pruning.go(KEEP, NOW, quiet=True)
    assert ledger.slices
    assert ledger.rests == [pytest.approx(0.2)] * len(ledger.slices)


async def test_a_ledger_that_cannot_be_written_is_tried_again_later(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(ledger, 50)

    async def refuse(_: Batch) -> None:
        raise StoreError("the disk is full")

    refused = Pruning(ledger.store.path, refuse, lambda: 0.0, ledger.rest)
    assert await refused.go(KEEP, NOW, quiet=True) == 0
    assert "old runs could not be removed: the disk is full" in caplog.text
    assert await ledger.pruning.go(KEEP, NOW, quiet=True) == 40


@pytest.mark.row("O040")
async def test_rows_of_shared_tables_go_by_their_own_age(ledger: Ledger) -> None:
    for begin in (300, 5):
        batch = Batch()
        for hour in range(60):
            key = RunKey(PluginId("fe_x"), NOW - timedelta(days=begin) + timedelta(hours=hour))
            batch.runs.append(new_run(key, RunStatus.SUCCEEDED))
            batch.writes.append(TableWrites(key.run_id, key.plugin_id, key.due, (ROW,)))
        await ledger.store.commit(batch)
    kept = RetentionSettings(days=36_500, table_days=30)
    assert await ledger.pruning.go(kept, NOW, quiet=False) == 0  # little waits
    assert await ledger.pruning.go(kept, NOW, quiet=True) == 60
    assert ledger.slices == [FIRST_SLICE, 60 - FIRST_SLICE]
    assert await ledger.left() == 120
    assert await ledger.pruning.go(kept, NOW, quiet=True) == 0
