"""A change holds while the ledger is full, and is written down when there is room."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from optifire.app.belated import Belated
from optifire.core.errors import NeverWrittenError, StoreError
from optifire.core.ledger import Batch, NoteRow
from optifire.runtime.blackboard import Blackboard
from optifire.runtime.clock import VirtualClock
from optifire.runtime.recorder import LiveRecorder

NOON = datetime(2018, 11, 23, 12, tzinfo=UTC)


class Store:
    """A store that says no with an error for as long as it has one."""

    def __init__(self) -> None:
        self.error: StoreError | None = StoreError("no room")
        self.subjects: list[str] = []
        self.tries: asyncio.Queue[int] = asyncio.Queue()
        #: Commits wait for it, as for a slow disk.
        self.going = asyncio.Event()
        self.going.set()

    async def commit(self, batch: Batch) -> tuple[()]:
        self.tries.put_nowait(len(batch.notes))
        await self.going.wait()
        if self.error is not None:
            raise self.error
        self.subjects += [note.subject for note in batch.notes]
        return ()


def parts() -> tuple[Store, Belated]:
    store = Store()
    recorder = LiveRecorder(cast("Any", store), Blackboard(), VirtualClock(NOON))
    return store, Belated(recorder.intend, lambda _: asyncio.sleep(0))  # noqa: TID251 - one turn


def of(subject: str) -> Batch:
    return Batch(notes=[NoteRow(NOON, "disabled", subject, "switched off by eva")])


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_makes_a_change_is_told_at_once_that_it_is_not_written_down() -> None:
    store, belated = parts()
    said = await belated.add(of("a"))
    assert said == "what was changed holds, but is not yet written down: no room"
    assert belated.sentences() == [said]
    assert store.tries.qsize() == 1


async def test_what_is_kept_is_written_in_its_order_as_soon_as_there_is_room() -> None:
    store, belated = parts()
    await belated.add(of("a"))
    await belated.add(of("b"))
    going = asyncio.create_task(belated.run())
    for _ in range(4):
        await store.tries.get()
    store.error = None
    assert await belated.add(of("c")) is None
    assert (store.subjects, belated.sentences()) == (["a", "b", "c"], [])
    await ended(going)
    assert store.subjects == ["a", "b", "c"]


async def test_nobody_has_to_make_another_change_for_it() -> None:
    store, belated = parts()
    await belated.add(of("a"))
    store.error = None
    await store.tries.get()
    going = asyncio.create_task(belated.run())
    assert await store.tries.get() == 1
    await ended(going)
    assert store.subjects == ["a"]


async def test_what_is_kept_at_the_end_is_tried_once_more() -> None:
    store, belated = parts()
    going = asyncio.create_task(belated.run())
    await belated.add(of("a"))
    store.error = None
    await ended(going)
    assert store.subjects == ["a"]


async def test_a_ledger_that_refuses_to_the_end_is_said_and_keeps_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, belated = parts()
    going = asyncio.create_task(belated.run())
    await belated.add(of("a"))
    await ended(going)
    assert caplog.messages[-1] == "changes that hold are not in the ledger: no room"


async def test_an_end_amid_a_try_loses_nothing_and_writes_nothing_twice() -> None:
    store, belated = parts()
    store.going.clear()
    adding = asyncio.create_task(belated.add(of("a")))
    await store.tries.get()
    going = asyncio.create_task(belated.run())
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    store.error = None
    store.going.set()
    await ended(going)
    assert store.subjects == ["a"]


async def test_what_can_never_be_written_is_an_error_and_not_kept() -> None:
    store, belated = parts()
    store.error = NeverWrittenError("another service has the ledger")
    with pytest.raises(NeverWrittenError, match="another service"):
        await belated.add(of("a"))
    store.error = None
    assert await belated.add(of("b")) is None
    assert store.subjects == ["b"]
