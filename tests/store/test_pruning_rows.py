"""Which rows of the tables that plugins share have had their time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from optifire.core.ledger import Batch, SharedRow, Statement, TableWrites, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.aging import LEAST_ROWS
from optifire.store.reader import LedgerReader
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
LATE = T + 1000 * DAY
FEATURE = "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, 1.0)"
SIGNAL = "INSERT INTO signals (symbol, signal_type) VALUES (?, ?)"
METRIC = "INSERT INTO metrics (tags, name) VALUES (?, ?)"


async def write(
    store: SqliteStore,
    sql: str = FEATURE,
    days: range = range(20),
    *,
    plugin: str = "fe_x",
    symbol: str | None = "SPX",
    name: str = "x",
) -> None:
    """Write one row a day."""
    batch = Batch()
    for day in days:
        key = RunKey(PluginId(plugin), T + day * DAY)
        batch.runs.append(new_run(key, RunStatus.SUCCEEDED))
        given = Statement(sql, Encoded(msgspec.msgpack.encode([symbol, name])))
        batch.writes.append(TableWrites(key.run_id, key.plugin_id, key.due, (given,)))
    assert not await store.commit(batch)


async def old(path: Path, before: datetime = LATE, most: int = 1000) -> list[SharedRow]:
    async with LedgerReader(path) as ledger:
        return list(await ledger.prunable_rows(before, most))


async def test_rows_of_before_an_instant_may_go_the_oldest_first(
    store: SqliteStore, path: Path
) -> None:
    await write(store)
    assert await old(path, T) == []
    assert await old(path, T + 3 * DAY) == [("features", 1), ("features", 2), ("features", 3)]
    assert await old(path, T + 3 * DAY, most=2) == [("features", 1), ("features", 2)]


@pytest.mark.parametrize(
    ("sql", "table"), [(FEATURE, "features"), (SIGNAL, "signals"), (METRIC, "metrics")]
)
async def test_the_newest_stay_whatever_their_age(
    store: SqliteStore, path: Path, sql: str, table: str
) -> None:
    await write(store, sql)
    assert await old(path) == [(table, number) for number in range(1, 21 - LEAST_ROWS)]


@pytest.mark.parametrize("sql", [FEATURE, SIGNAL, METRIC])
@pytest.mark.parametrize(
    "other", [{"plugin": "fe_y"}, {"name": "y"}, {"symbol": "VIX"}, {"symbol": None}]
)
async def test_what_others_wrote_since_takes_nothing_from_who_writes_seldom(
    store: SqliteStore, path: Path, sql: str, other: dict[str, str | None]
) -> None:
    await write(store, sql, range(LEAST_ROWS))
    days = range(LEAST_ROWS, 3 * LEAST_ROWS)
    await write(store, sql, days, **other)  # type: ignore[arg-type]
    found = [number for _, number in await old(path)]
    ours = range(1, LEAST_ROWS + 1)
    tags_are_no_symbol = sql == METRIC and "symbol" in other
    assert bool(set(found) & set(ours)) is tags_are_no_symbol


async def test_what_is_removed_is_not_listed_again(store: SqliteStore, path: Path) -> None:
    for sql in (FEATURE, SIGNAL, METRIC):
        await write(store, sql, plugin=sql.split()[2])
    found = await old(path)
    assert len(found) == 3 * (20 - LEAST_ROWS)
    await store.commit(Batch(pruned_rows=found))
    assert await old(path) == []
