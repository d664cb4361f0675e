"""A pause that cannot be written down does not hold, and nobody waits for it."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from optifire.app.pausing import Pausing
from optifire.core.errors import StoreError
from optifire.core.ledger import Batch
from optifire.host.catalog import Catalog
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import VirtualClock
from optifire.runtime.pauses import Pauses
from optifire.runtime.recorder import LiveRecorder

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


class Store:
    """A store that is full until there is room."""

    full = True

    async def commit(self, _: Batch) -> tuple[()]:
        if self.full:
            raise StoreError("no room")
        return ()


async def test_a_pause_that_the_ledger_refuses_is_an_error_and_does_not_hold() -> None:
    store, clock, kept = Store(), VirtualClock(NOON), list[bool]()
    recorder = LiveRecorder(cast("Any", store), Blackboard(), clock)
    pausing = Pausing(Pauses(), recorder, Catalog, clock.now, lambda: kept.append(True))
    with pytest.raises(StoreError, match="no room"):
        await pausing.pause(None, who="eva", why="a holiday")
    assert (pausing.pauses.sentences(), kept) == ([], [])
    store.full = False
    assert (await pausing.pause(None, who="eva", why="a holiday"))["changed"] == ["*"]
    assert kept == [True]
    assert "by eva: a holiday" in pausing.pauses.sentences()[0]
