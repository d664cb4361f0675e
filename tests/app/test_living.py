"""The lives of plugins are written down as they go, and at the end in one try."""

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from optifire.app.living import Living
from optifire.core.errors import StoreError
from optifire.core.ledger import Batch
from optifire.core.lifecycle import PluginState
from optifire.core.types import PluginId
from optifire.host.catalog import Catalog, Listed
from optifire.runtime.pauses import Pauses
from optifire.runtime.standings import Standings

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


class Recorder:
    """Writes into a list; what it is to refuse, it tries again for ever."""

    def __init__(self) -> None:
        self.full = False
        self.tried = asyncio.Event()
        self.texts: list[str] = []

    async def write(self, batch: Batch) -> tuple[()]:
        self.tried.set()
        if self.full:
            await asyncio.Event().wait()
        return await self.intend(batch)

    async def intend(self, batch: Batch) -> tuple[()]:
        if self.full:
            raise StoreError("no room")
        self.texts += [f"{note.subject}: {note.text}" for note in batch.notes]
        return ()

    async def view(self) -> None:
        """Nobody looks here."""

    async def end_cycle(self) -> None:
        """There are no cycles here."""


def listed(state: PluginState) -> Listed:
    return Listed(PluginId("a"), state, enabled=True, reason="as it is")


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    _, late = await asyncio.wait([task], timeout=5)
    assert not late
    assert task.cancelled()


@pytest.mark.parametrize("full", [False, True])
async def test_what_is_left_at_the_end_is_tried_once_and_keeps_nobody(
    full: bool,  # noqa: FBT001 - a table
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    recorder, catalog = Recorder(), Catalog(plugins={"a": listed(PluginState.ACTIVE)})
    nobody = Standings()
    living = Living(lambda: catalog, lambda: NOON, nobody, Pauses(), dict, recorder)  # type: ignore[arg-type]
    task = asyncio.create_task(living.run())
    living.look()
    await asyncio.wait_for(recorder.tried.wait(), 5)
    recorder.full = full
    catalog = Catalog(plugins={"a": listed(PluginState.ERROR)})
    living.look()
    await ended(task)
    assert len(recorder.texts) == (1 if full else 2)
    assert ("could not be noted at the end: no room" in caplog.text) == full
