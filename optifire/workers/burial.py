"""What a dead zygote has left: its children, and what they had started; ended and reaped here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optifire.workers.orphans import sweep_adopted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from optifire.workers.live import Live


class Burial:
    """Ends children that have lost their zygote; their runs hear of it when nothing is left.

    Parameters
    ----------
    lives
        All of them.
    why
        What became of the zygote.

    Attributes
    ----------
    over
        Done when no process is left.
    """

    def __init__(self, lives: Sequence[Live], why: str, loop: asyncio.AbstractEventLoop) -> None:
        self._lives = lives
        self._loop = loop
        self._left = len(lives)
        self.over: asyncio.Future[None] = loop.create_future()
        for live in lives:
            live.sent()
            live.orphaned(why, self._gone)
        if not lives:
            self._sweep()

    def _gone(self) -> None:
        self._left -= 1
        if not self._left:
            self._sweep()

    def _sweep(self) -> None:
        """Kill what they had started, off the loop: it is waited for, and there may be many."""
        leaders = {live.pid for live in self._lives}
        sweeping = self._loop.run_in_executor(None, sweep_adopted, leaders)
        sweeping.add_done_callback(self._swept)

    def _swept(self, sweeping: asyncio.Future[None]) -> None:
        for live in self._lives:
            live.finish(None)
        if not self.over.done():
            self.over.set_result(None)
        sweeping.result()  # what went wrong is the loop's to tell
