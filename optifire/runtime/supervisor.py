"""Every task has a parent: starts work, reports what crashes, drains at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Self

from optifire.core.errors import OptifireError

log = logging.getLogger("optifire.supervisor")

Work = Callable[[], Awaitable[None]]
Report = Callable[[str, BaseException], None]


class Supervisor:
    """Owns the one task group of the service.

    Parameters
    ----------
    report
        Is told the name and the error of whatever crashes.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._group = asyncio.TaskGroup()
        self._cycles: set[asyncio.Task[None]] = set()
        self._rooms: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Open the group."""
        await self._group.__aenter__()
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """End the rooms and wait for everything; after an error the cycles are ended too."""
        for task in (*self._rooms, *(self._cycles if kind is not None else ())):
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def cycle(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run one cycle; a crash is reported and touches no other cycle."""
        return self._start(name, work, self._cycles)

    def room(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run something that goes on until the service ends."""
        return self._start(name, work, self._rooms)

    async def drain(self, seconds: float | None) -> int:
        """Wait for the cycles in flight (None: to their end), cancel the others; count these."""
        if not self._cycles:
            return 0
        _, pending = await asyncio.wait(tuple(self._cycles), timeout=seconds)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
        return len(pending)

    def _start(self, name: str, work: Work, kept: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = self._group.create_task(self._guard(name, work), name=name)
        kept.add(task)
        task.add_done_callback(kept.discard)
        return task

    async def _guard(self, name: str, work: Work) -> None:
        """Let nothing but cancellation through: a crash of one is not the end of all."""
        try:
            await work()
        except Exception as error:
            if expected(error):
                log.error("%s ended: %s", name, error)  # noqa: TRY400 - its message says it all
            else:
                log.exception("%s crashed", name)
            self._report(name, error)


def expected(error: BaseException) -> bool:
    """Tell whether an error, or every one in a group, was raised on purpose."""
    if isinstance(error, BaseExceptionGroup):
        return all(expected(one) for one in error.exceptions)
    return isinstance(error, OptifireError)
