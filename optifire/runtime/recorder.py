"""Writes outcomes down and only then makes them visible."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from optifire.core.errors import NeverWrittenError, ReplayError, StoreError
from optifire.core.ledger import Batch, ContextValue, Rejected, RunRow
from optifire.core.run import Failure, Reason, RunStatus
from optifire.runtime.blackboard import Blackboard, CycleView
from optifire.runtime.hiding import Mask, hide

if TYPE_CHECKING:
    from optifire.core.ports import Clock, Store, TableReader

log = logging.getLogger("optifire.recorder")

#: Seconds between two tries to write while the store refuses.
RETRY_SECONDS = 1.0

Listener = Callable[[Batch], None]


class Recorder(Protocol):
    """What a cycle asks of the record; live and replay differ only in when a commit happens."""

    async def view(self) -> CycleView:
        """Hold context and tables at one point in the order of commits."""

    async def write(self, batch: Batch) -> Sequence[Rejected]:
        """Write what may be lost only with the machine; values are visible when it returns."""

    async def intend(self, batch: Batch) -> Sequence[Rejected]:
        """Write ahead of an attempt; raises `StoreError` when it cannot be written."""

    async def end_cycle(self) -> None:
        """Everything of the cycle has been given; a replay commits here."""


class LiveRecorder:
    """Commits at once; a full disk delays records but loses none that was acknowledged.

    Parameters
    ----------
    store
        The ledger's writer.
    board
        The shared context that committed values go to.
    clock
        Paces the tries while the store refuses.
    listener
        Is told every batch after its commit.
    mask
        Takes secrets out of what is said about runs.
    """

    def __init__(
        self,
        store: Store,
        board: Blackboard,
        clock: Clock,
        listener: Listener | None = None,
        mask: Mask | None = None,
    ) -> None:
        self._store = store
        self._board = board
        self._clock = clock
        self._listener = listener
        self._mask = mask
        #: What the store said last, None while it writes.
        self.trouble: StoreError | None = None

    async def view(self) -> CycleView:
        """Hold context and tables as they are after every commit that has returned."""
        reader: TableReader = await self._store.snapshot()
        return CycleView(self._board.snapshot(), reader)

    async def write(self, batch: Batch) -> Sequence[Rejected]:
        """Write a batch, trying again for as long as the store refuses.

        Raises
        ------
        NeverWrittenError
            Trying again cannot help: a bug, or a newer service has the ledger.
        """
        while True:
            try:
                return await self.intend(batch)
            except NeverWrittenError:
                raise
            except StoreError as error:
                if self.trouble is None:
                    log.error("the ledger refuses to be written: %s", error)  # noqa: TRY400
                self.trouble = error
                await self._clock.pause(RETRY_SECONDS)

    async def intend(self, batch: Batch) -> Sequence[Rejected]:
        """Write a batch once; raises `StoreError` when nothing of it could be written."""
        if not batch:
            return ()
        if self._mask is not None:
            hide(batch, self._mask)
        rejected = await self._store.commit(batch)
        if self.trouble is not None:
            log.warning("the ledger can be written again")
            self.trouble = None
        self._board.apply(accepted_values(batch, rejected))
        if self._listener is not None:
            self._listener(as_stored(batch, rejected))
        return rejected

    async def end_cycle(self) -> None:
        """Nothing is left to do: every batch was committed as it came."""


class ReplayRecorder:
    """One transaction a cycle, and nothing acknowledged before.

    Table writes must be tried where they happen, because a failing statement fails its run; they
    go to the store's open transaction, everything else waits for the end of the cycle.

    Parameters
    ----------
    seal
        Gives what is written with the end of each cycle: how far the replay has come.
    mask
        Takes secrets out of what is said about runs, as live.
    """

    def __init__(
        self,
        store: Store,
        board: Blackboard,
        seal: Callable[[], Batch] = Batch,
        mask: Mask | None = None,
    ) -> None:
        self._store = store
        self._board = board
        self._seal = seal
        self._mask = mask
        self._kept = Batch()

    async def view(self) -> CycleView:
        """Hold context and tables as they are between two cycles."""
        return CycleView(self._board.snapshot(), await self._store.snapshot())

    async def write(self, batch: Batch) -> Sequence[Rejected]:
        """Keep a batch for the end of the cycle; values are visible at once."""
        return await self.intend(batch)

    async def intend(self, batch: Batch) -> Sequence[Rejected]:
        """Keep a batch for the end of the cycle; table writes are tried now."""
        if self._mask is not None:
            hide(batch, self._mask)
        self._kept.extend(batch)
        rejected = await self._give(hold=True) if batch.writes else ()
        self._board.apply(accepted_values(batch, rejected))
        return rejected

    async def end_cycle(self) -> None:
        """Commit the cycle, together with what the owner notes about its progress."""
        self._kept.extend(self._seal())
        await self._give(hold=False)

    async def _give(self, *, hold: bool) -> Sequence[Rejected]:
        """Give the store what was kept."""
        kept, self._kept = self._kept, Batch()
        try:
            return await self._store.commit(kept, hold=hold)
        except StoreError as error:
            raise ReplayError(error.message, where=error.where, remedy=error.remedy) from error


def fail_writes(row: RunRow, failure: Failure) -> None:
    """Make a success whose table writes failed what the store made of it: a failure."""
    row.status = RunStatus.FAILED
    row.reason = Reason("error", failure.type)
    row.failure = failure


def as_stored(batch: Batch, rejected: Sequence[Rejected]) -> Batch:
    """Give a batch as the store holds it: what rejected runs left is not in it."""
    if not rejected:
        return batch
    failures = {one.run_id: one.failure for one in rejected}
    for row in batch.runs:
        if row.run_id in failures:
            fail_writes(row, failures[row.run_id])
    return replace(
        batch,
        values=accepted_values(batch, rejected),
        events=[event for event in batch.events if event.run_id not in failures],
        writes=[write for write in batch.writes if write.run_id not in failures],
    )


def accepted_values(batch: Batch, rejected: Sequence[Rejected]) -> list[ContextValue]:
    """Give the values of the runs that stand."""
    if not rejected:
        return batch.values
    gone = {one.run_id for one in rejected}
    return [value for value in batch.values if value.run_id not in gone]
