"""What runs are held to stands in the ledger once, and in each record whole."""

from datetime import UTC, datetime, timedelta

import pytest

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, RunFilter, RunRow, new_run
from optifire.core.run import RunKey, RunStatus
from optifire.core.types import PluginId
from tests.contracts.conftest import Backend

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def test_what_runs_are_held_to_is_kept_through_refusals_and_a_new_start(
    backend: Backend,
) -> None:
    async def commit(minute: int, held: str) -> RunRow:
        row = new_run(RunKey(PluginId("fe_garch"), T + minute * MINUTE), RunStatus.SUCCEEDED)
        row.held = held
        await backend.store.commit(Batch(runs=[row]))
        return row

    rows = [await commit(1, "a"), await commit(2, ""), await commit(3, "b"), await commit(4, "a")]
    with pytest.raises(StoreError):
        await commit(4, "c")  # it has ended
    rows += [await commit(5, "c"), await commit(6, "b")]
    await backend.store.close()
    await backend.store.open()
    rows += [await commit(7, "c"), await commit(8, "d")]
    async with backend.ledger() as ledger:
        assert await ledger.runs(RunFilter()) == rows[::-1]
