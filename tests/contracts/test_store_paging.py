"""What every store must do when runs are read page by page."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Protocol

import pytest

from optifire.core.ledger import Batch, RunFilter, RunRow, new_run
from optifire.core.ports import Ledger, Store
from optifire.core.run import RunKey, RunKind, RunStatus
from optifire.core.types import PluginId

T = datetime(2018, 11, 23, 18, tzinfo=UTC)
#: Instants of three weeks, turns, plugins and kinds: many that are equal in all but one.
KEYS = [
    RunKey(PluginId(plugin), T + timedelta(days=day), turn, kind)
    for day, turn, plugin, kind in product(
        (0, 3, 6, 9, 17), (0, 1), ("a", "b"), (RunKind.SCHEDULED, RunKind.BACKFILL)
    )
]


class Backend(Protocol):
    store: Store

    def ledger(self) -> AbstractAsyncContextManager[Ledger]: ...


@pytest.mark.parametrize("plugin", [None, "a"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_are_the_list_in_parts(
    backend: Backend, plugin: str | None, limit: int
) -> None:
    await backend.store.commit(Batch(runs=[new_run(each, RunStatus.SKIPPED) for each in KEYS]))
    async with backend.ledger() as ledger:
        whole = [row.key for row in await ledger.runs(RunFilter(plugin_id=plugin))]
        assert len(whole) == (len(KEYS) if plugin is None else len(KEYS) // 2)
        seen: list[RunKey] = []
        page: list[RunRow] = []
        while not seen or len(page) == limit:
            after = seen[-1] if seen else None
            asked = RunFilter(plugin_id=plugin, limit=limit, after=after)
            page = list(await ledger.runs(asked))
            seen += [row.key for row in page]
        assert seen == whole


async def test_a_page_goes_on_behind_a_run_that_is_gone(backend: Backend) -> None:
    await backend.store.commit(Batch(runs=[new_run(KEYS[0], RunStatus.SKIPPED)]))
    gone = RunKey(PluginId("a"), KEYS[0].due + timedelta(microseconds=1))
    async with backend.ledger() as ledger:
        assert len(await ledger.runs(RunFilter(after=gone))) == 1
        assert await ledger.runs(RunFilter(after=KEYS[0])) == []
