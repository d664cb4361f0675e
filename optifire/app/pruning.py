"""Removes old runs and rows in slices so small that nobody notices."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from optifire.core.errors import StoreError
from optifire.core.ledger import Batch, Limits
from optifire.store.reader import LedgerReader

if TYPE_CHECKING:
    from datetime import datetime

    from optifire.core.settings import RetentionSettings

log = logging.getLogger("optifire.service")

#: Seconds that one slice may keep the writer, and the sizes that follow from it.
SLICE_SECONDS: Final = 0.005
FIRST_SLICE, LEAST_SLICE, MOST_SLICE = 32, 8, 256
#: The writer rests four times as long as a slice took, and at least so many seconds.
REST: Final = 4.0
LEAST_REST: Final = 0.02
#: Runs or rows of one look at the ledger.
A_LOOK: Final = 20_000
#: From so many on it is not put off to when the market is closed.
MUCH: Final = 2_000

_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Old(Generic[_Each]):
    """One kind of what grows old: its name, how it is found, and what removes it."""

    what: str
    look: Callable[[LedgerReader], Awaitable[Sequence[_Each]]]
    batch: Callable[[list[_Each]], Batch]


@dataclass(slots=True)
class Pruning:
    """Removes what retention no longer keeps.

    Parameters
    ----------
    path
        The ledger, for looking.
    write
        Commits one batch; raises `StoreError` when it cannot be written.
    monotonic
        Gives seconds that only grow.
    pause
        Lets real time pass.
    """

    path: Path
    write: Callable[[Batch], Awaitable[object]]
    monotonic: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    size: int = field(default=FIRST_SLICE, init=False)

    async def go(self, settings: RetentionSettings, now: datetime, *, quiet: bool) -> int:
        """Remove what is beyond the limits, and give how many runs and rows that were.

        What is little waits for a quiet time.
        """
        limits = Limits(now - timedelta(days=settings.days), settings.runs)
        written = now - timedelta(days=settings.table_days)
        runs = Old(
            "runs",
            lambda ledger: ledger.prunable(limits, A_LOOK),
            lambda taken: Batch(pruned=taken),
        )
        rows = Old(
            "rows of shared tables",
            lambda ledger: ledger.prunable_rows(written, A_LOOK),
            lambda taken: Batch(pruned_rows=taken),
        )
        return await self._clear(runs, quiet=quiet) + await self._clear(rows, quiet=quiet)

    async def _clear(self, old: Old[_Each], *, quiet: bool) -> int:
        removed = 0
        try:
            while found := await self._look(old):
                if not quiet and len(found) < MUCH:
                    break
                await self._remove(found, old)
                removed += len(found)
        except StoreError as error:
            log.warning("old %s could not be removed: %s", old.what, error)
        if removed:
            log.info("%d old %s were removed", removed, old.what)
        return removed

    async def _look(self, old: Old[_Each]) -> Sequence[_Each]:
        async with LedgerReader(self.path) as ledger:
            return await old.look(ledger)

    async def _remove(self, found: Sequence[_Each], old: Old[_Each]) -> None:
        done = 0
        while done < len(found):
            began = self.monotonic()
            taken = list(found[done : done + self.size])
            await self.write(old.batch(taken))
            took = self.monotonic() - began
            done += len(taken)
            if took > SLICE_SECONDS:
                self.size = max(LEAST_SLICE, self.size // 2)
            elif 2 * took < SLICE_SECONDS:
                self.size = min(MOST_SLICE, self.size * 2)
            await self.pause(max(LEAST_REST, REST * took))
