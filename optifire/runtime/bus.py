"""Tells who wants to know what was committed: screens, logs, those who wait for one run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from optifire.core.ledger import Batch, RunRow
from optifire.core.run import TERMINAL

log = logging.getLogger("optifire.bus")

Listener = Callable[[Batch], None]


class CommitBus:
    """In-process: every listener sees every batch after its commit, in the order of commits."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._awaited: dict[str, list[asyncio.Future[RunRow]]] = {}

    def tell(self, batch: Batch) -> None:
        """Pass a committed batch on; a listener that fails is logged and the others go on."""
        for row in batch.runs:
            if row.run_id in self._awaited and row.status in TERMINAL:
                for waiting in self._awaited.pop(row.run_id):
                    if not waiting.done():
                        waiting.set_result(row)
        for listener in tuple(self._listeners):
            try:
                listener(batch)
            except Exception:
                log.exception("a listener failed; the record is not touched by it")

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Listen for the length of a ``with`` block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def listen(self, listener: Listener) -> None:
        """Listen for as long as the bus lives."""
        self._listeners.append(listener)

    def ended(self, run_id: str) -> asyncio.Future[RunRow]:
        """Give a future that holds the row of a run once it has its terminal status."""
        waiting: asyncio.Future[RunRow] = asyncio.get_running_loop().create_future()
        self._awaited.setdefault(run_id, []).append(waiting)
        return waiting
