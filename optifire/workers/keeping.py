"""One kind of zygote, kept going: started when asked for, and again when it has died."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from optifire.core.errors import OptifireError, TransientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from optifire.workers.link import Link

log = logging.getLogger("optifire.workers")

#: A zygote that has lived for this many seconds did not die of how it was started.
STEADY: Final = 10.0
#: Seconds before a third start in a row, doubled with each one after it.
FIRST_PAUSE: Final = 0.5
#: A pause of at most so many seconds is waited for by who asks, and the start after it so long.
PATIENCE: Final = 2.0
#: Seconds between two starts at most, when one zygote after the other dies.
LONGEST_PAUSE: Final = 60.0


class Keeper:
    """Keeps one zygote of a kind.

    A death is mended at once, in the background, and who asks meanwhile waits for that. Where
    zygotes die one after the other, or cannot be started, the starts are further and further
    apart, and who asks in a pause of more than 2 s is told why.

    Parameters
    ----------
    name
        The kind, as sentences call it.
    base
        What its zygotes import, whatever is asked for.
    start
        Starts one with these modules; raises `OptifireError` when that cannot be.
    spares
        How many it holds, until `want` says otherwise.
    now
        Gives seconds that only grow; without it the running loop does.

    Attributes
    ----------
    link
        The one there is; it may have died.
    spares
        How many children it holds ready.
    """

    def __init__(
        self,
        name: str,
        base: Sequence[str],
        start: Callable[[tuple[str, ...]], Awaitable[Link]],
        spares: int = 0,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.link: Link | None = None
        self.spares = spares
        self._name = name
        self._base = tuple(base)
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._now = now or self._loop.time
        self._lock = asyncio.Lock()
        self._since = 0.0
        self._failures = 0
        self._failed: Collection[str] | None = None
        self._why = ""
        self._again = 0.0
        self._restarting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether there is one that takes children."""
        return self.link is not None and self.link.alive

    @property
    def trouble(self) -> str:
        """Say why there is none, or none with all that was asked for; else nothing."""
        return self._why

    @property
    def idle(self) -> float:
        """Seconds since a child began or ended that was no spare; 0 while there is one."""
        link = self.link
        if link is None or len(link.lives) > link.spares.count:
            return 0.0
        return self._loop.time() - link.spares.stirred

    def want(self, spares: int) -> None:
        """Hold that many spares, in this zygote and in those after it."""
        self.spares = spares
        if self.link is not None and self.link.alive:
            self.link.spares.want(spares)

    async def get(self, modules: Sequence[str] = ()) -> Link:
        """Give a zygote that has imported these modules.

        When they are more than it has, a new one is started first; the old one ends with its last
        child. Raises `OptifireError` when there can be none now.
        """
        if self._restarting is not None and self._again - self._now() <= PATIENCE:
            await asyncio.wait([self._restarting], timeout=2 * PATIENCE)
        async with self._lock:
            link = self.link
            if link is not None and link.alive and set(modules) <= set(link.settings.modules):
                return link
            known = self._base if link is None else link.settings.modules
            wanted = tuple(dict.fromkeys((*known, *modules)))
            self._refuse(wanted)
            return await self._renew(wanted)

    def drop(self) -> None:
        """Let it end with its last child; the next who asks starts another."""
        link, self.link = self.link, None
        self._forget()
        if link is not None:
            link.retire()

    async def close(self) -> None:
        """Start nothing more."""
        self._closed = True
        self._forget()
        if self._restarting is not None:
            await asyncio.wait([self._restarting])
        async with self._lock:
            self.link = None

    def _forget(self) -> None:
        """Forget what went wrong, and what was to be done about it."""
        if self._restarting is not None:
            self._restarting.cancel()
        self._failures, self._failed, self._why, self._again = 0, None, "", 0.0

    def _refuse(self, wanted: Sequence[str]) -> None:
        """Raise while a start that has failed again and again is not to be tried yet."""
        left = self._again - self._now()
        if left > 0 and self._failed is not None and set(self._failed) <= set(wanted):
            raise TransientError(
                self.trouble,
                where="optifire.child",
                remedy=f"It is tried again in {left:.0f} s; `optifire doctor` looks at the machine",
            )

    async def _renew(self, modules: tuple[str, ...]) -> Link:
        if self._closed:
            raise TransientError("the workers are stopping", where="optifire.child")
        try:
            link = await self._start(modules)
        except OptifireError as error:
            self._note(modules, f"the {self._name} zygote cannot be started: {error}")
            raise
        old, self.link = self.link, link
        link.spares.want(self.spares)
        self._failed, self._why, self._since = None, "", self._now()
        link.on_end = partial(self._ended, link)
        if old is not None:
            old.retire()
        return link

    def _note(self, modules: Collection[str], why: str) -> float:
        """Take note of a failure; gives the seconds until the next start."""
        self._failures += 1
        self._failed, self._why = modules, why
        # Bounded before it is doubled: after a thousand failures two to that power is no float.
        doubled = min(self._failures - 2, 10)
        pause = 0.0 if doubled < 0 else min(FIRST_PAUSE * 2**doubled, LONGEST_PAUSE)
        self._again = self._now() + pause
        return pause

    def _ended(self, link: Link, why: str) -> None:
        """Take note that a zygote has died, and start the next one."""
        if link is not self.link or self._closed:
            return
        if self._now() - self._since >= STEADY:
            self._failures = 0
        log.warning("%s and is started again", why)
        modules = link.settings.modules
        pause = self._note(modules, f"{why} and is started again")
        self._restarting = self._loop.create_task(self._start_again(modules, pause))

    async def _start_again(self, modules: tuple[str, ...], pause: float) -> None:
        """Start one, unless a run has done so meanwhile; on a failure again, later."""
        while not self.alive:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), pause)  # nobody ends it early
            try:
                async with self._lock:
                    if not self.alive:
                        await self._renew(modules)
            except OptifireError as error:
                pause = max(0.0, self._again - self._now())
                log.warning("%s; the next try is in %.1f s", error, pause)
