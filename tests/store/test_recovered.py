"""What a ledger gives back after an unclean end."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from optifire.core.ledger import Batch, EventRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import Encoded, PluginId
from optifire.store.sqlite import SqliteStore

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


async def test_the_events_that_started_an_open_run_come_with_it(tmp_path: Path) -> None:
    publisher = new_run(RunKey(PluginId("a"), NOON), RunStatus.SUCCEEDED)
    listener = new_run(RunKey(PluginId("b"), NOON, 1), RunStatus.RUNNING, "event: heard")
    data = Encoded(msgspec.msgpack.encode(7))
    event = EventRow(publisher.run_id, 0, NOON, 0, "heard", "a", data, taken=False)
    store = SqliteStore(tmp_path / "x.db", clock=lambda: NOON)
    await store.open()
    await store.commit(Batch(runs=[publisher], events=[event]))
    await store.commit(Batch(runs=[listener], events_taken=[(NOON, 0)]))
    await store.close(clean=False)
    found = await store.open()
    await store.close()
    assert [row.run_id for row in found.open_runs] == [listener.run_id]
    assert list(found.waiting_events) == []
    assert [(one.name, one.data, one.run_id) for one in found.answered_events] == [
        ("heard", data, publisher.run_id)
    ]
