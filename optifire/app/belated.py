"""What holds already and is written down as soon as the ledger takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from optifire.core.errors import NeverWrittenError, StoreError
from optifire.core.ledger import Batch
from optifire.runtime.recorder import RETRY_SECONDS

log = logging.getLogger("optifire.service")


@dataclass(slots=True)
class Belated:
    """Rows about changes that are made whether or not the ledger can be written.

    Who makes such a change waits for one try; what that leaves is kept in its order.

    Parameters
    ----------
    write
        Writes a batch, once.
    pause
        Waits so many seconds.
    """

    write: Callable[[Batch], Awaitable[object]]
    pause: Callable[[float], Awaitable[None]]
    _kept: Batch = field(default_factory=Batch, init=False)
    _trouble: StoreError | None = field(default=None, init=False)
    _left: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def add(self, batch: Batch) -> str | None:
        """Write a batch behind what is kept, or keep it too; gives why it is kept.

        Raises
        ------
        NeverWrittenError
            Trying again cannot help; nothing is kept.
        """
        self._kept.extend(batch)
        error = await self._try()
        if isinstance(error, NeverWrittenError):
            raise error
        return None if error is None else self.sentences()[0]

    async def run(self) -> None:
        """Write what is kept for as long as this goes on, and once at its end.

        A ledger that refuses keeps no service from ending: the next start finds by itself what was
        switched, and under which configuration.
        """
        try:
            while True:
                await self._left.wait()
                await self.pause(RETRY_SECONDS)
                await self._try()
        finally:
            error = await self._try()
            if error is not None:
                log.warning("changes that hold are not in the ledger: %s", error)

    def sentences(self) -> list[str]:
        """Say that something is kept, and why."""
        if self._trouble is None:
            return []
        return [f"what was changed holds, but is not yet written down: {self._trouble}"]

    async def _try(self) -> StoreError | None:
        """Write what is kept; who is cancelled meanwhile leaves the try to its end."""
        return await asyncio.shield(self._write())

    async def _write(self) -> StoreError | None:
        async with self._alone:
            batch, self._kept = self._kept, Batch()
            self._left.clear()
            try:
                await self.write(batch)
            except StoreError as error:
                if isinstance(error, NeverWrittenError):
                    log.error("what was changed is not written down: %s", error)  # noqa: TRY400
                    self._trouble = None
                    return error
                if self._trouble is None:
                    log.warning("what was changed holds, but is not yet written: %s", error)
                batch.extend(self._kept)
                self._kept, self._trouble = batch, error
                self._left.set()
                return error
            if self._trouble is not None:
                log.info("what was changed is written down now")
            self._trouble = None
            return None
