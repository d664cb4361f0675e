"""Writes runs with table writes as fast as it can and prints each run id once it is durable."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from optifire.core.ledger import Batch, Statement, TableWrites, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.sqlite import SqliteStore

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
SQL = "INSERT INTO features (symbol, feature_name, value) VALUES (?, ?, ?)"


async def write(store: SqliteStore, lane: int, begun: int) -> None:
    number = 0
    while True:
        number += 1
        key = RunKey(PluginId(f"p{lane}"), T + timedelta(days=begun, seconds=number))
        row = new_run(key, RunStatus.SUCCEEDED)
        params = Encoded(msgspec.msgpack.encode(["SPY", "f", number]))
        made = TableWrites(key.run_id, key.plugin_id, key.due, (Statement(SQL, params),))
        await store.commit(Batch(runs=[row], writes=[made]))
        sys.stdout.write(f"{key.run_id}\n")
        sys.stdout.flush()


async def main(path: Path) -> None:
    store = SqliteStore(path, clock=lambda: T)
    found = await store.open()
    await asyncio.gather(*(write(store, lane, found.start) for lane in range(20)))


asyncio.run(main(Path(sys.argv[1])))
