"""What alerts have still to tell is told by the next start, once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from optifire.app.alert_memory import ALERTS, Keeping, Memory
from optifire.core.alerts import Alert, Topic
from optifire.core.errors import StoreError
from optifire.ops.delivery import Backlog
from optifire.ops.messages import Message
from optifire.ops.repeats import Cause, Told

if TYPE_CHECKING:
    from optifire.core.ledger import Batch

AT = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
ALERT = Alert(Topic.QUARANTINE, "quarantine:a", AT, "wh\u00e4t", 'a "reason"', "do", lasting=True)
FULL = Memory(
    {
        "quarantine:a": Cause(
            AT, timedelta(minutes=30), lasting=True, more=2, since=AT, latest=ALERT
        )
    },
    [Told(ALERT, more=2, since=AT, again=True)],
    7,
    {"OPS": Backlog((Message("title", "body\nof it", "failure"),), 3)},
)


class Ledger:
    """A ledger that keeps facts, unless it is full."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[str] = []

    async def __call__(self, batch: Batch) -> None:
        if self.full:
            raise StoreError("no room")
        self.written.append(batch.meta[ALERTS])


async def test_everything_comes_back_as_it_was() -> None:
    ledger = Ledger()
    await Keeping(ledger).keep(FULL)
    assert Keeping(ledger).recall(ledger.written[0]) == FULL


async def test_only_what_has_changed_is_written() -> None:
    ledger = Ledger()
    keeping = Keeping(ledger)
    await keeping.keep(Memory())
    assert ledger.written == []
    await keeping.keep(FULL)
    await keeping.keep(FULL)
    assert len(ledger.written) == 1
    await keeping.keep(Memory())
    assert len(ledger.written) == 2
    after = Keeping(ledger)
    after.recall(ledger.written[0])
    await after.keep(FULL)
    assert len(ledger.written) == 2


async def test_what_the_ledger_refuses_is_said_once_and_written_when_it_takes_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = Ledger()
    keeping = Keeping(ledger)
    ledger.full = True
    for _ in range(3):
        await keeping.keep(FULL)
    assert caplog.text.count("no room") == 1
    ledger.full = False
    await keeping.keep(FULL)
    assert len(ledger.written) == 1


@pytest.mark.parametrize("kept", ["no JSON", "[]", '{"held": [{"alert": 1}]}', '{"causes": 3}'])
def test_what_cannot_be_read_is_said_and_nothing_is_known(
    kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert Keeping(Ledger()).recall(kept) == Memory()
    assert "cannot be read" in caplog.text
