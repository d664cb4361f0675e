"""The events of a service for all who follow them: read once from its ledger, after each commit.

No client has a queue. Each has a place in one order: what it has not taken yet is in the tail that
all share, or in the ledger. So a slow one costs nobody anything, and a restart changes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optifire.api.tail import Span, Tail
from optifire.core.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from optifire.api.tail import Event

#: Events that are read at once, and kept at hand for all.
PAGE, AT_HAND = 256, 2048


@dataclass(frozen=True, slots=True)
class Terms:
    """How clients are served.

    Attributes
    ----------
    most
        Clients at once.
    each
        Clients at once with one token: a dashboard that leaks streams keeps out no other.
    heartbeat
        Seconds without an event after which a sign of life is sent.
    patience
        Seconds in which a client must take what is sent to it; then it is dropped.
    rest
        Seconds between two deliveries to one client: what comes meanwhile goes together.
    """

    most: int = 32
    each: int = 8
    heartbeat: float = 15.0
    patience: float = 10.0
    rest: float = 0.05


class CrowdedError(TransientError):
    """One token follows with as many streams as it may."""


class Journal(Protocol):
    """What became durable, in its order; reads nothing that is not."""

    async def span(self) -> Span:
        """Give how far it reaches."""

    async def page(self, after: int, limit: int) -> Sequence[Event]:
        """Give the events behind a place, oldest first."""


class Feed:
    """What clients follow.

    Parameters
    ----------
    opened
        Opens the journal; it is open while somebody follows.
    pause
        Lets real time pass.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractAsyncContextManager[Journal]],
        pause: Callable[[float], Awaitable[None]],
        terms: Terms | None = None,
    ) -> None:
        self.terms = terms or Terms()
        self.pause = pause
        #: Commits so far; what was read before the latest may not be all there is.
        self.commits = 0
        self.closed = False
        #: Who follows: the ids of tokens, and how many clients each has.
        self.followers: Counter[str] = Counter()
        self._opened = opened
        self._news = asyncio.Event()
        self._reading = asyncio.Lock()
        self._open: AsyncExitStack | None = None
        self._journal: Journal | None = None
        self._tail = Tail(0, AT_HAND)
        self._read = -1

    def committed(self, _: object = None) -> None:
        """Let those who wait look again; cheap, called after each commit."""
        self.commits += 1
        self._wake()

    def close(self) -> None:
        """Let all streams end with what they have been sent."""
        self.closed = True
        self._wake()

    @property
    def clients(self) -> int:
        """How many follow."""
        return self.followers.total()

    def _wake(self) -> None:
        if self.followers:
            self._news.set()
            self._news = asyncio.Event()

    def admit(self, token_id: str) -> None:
        """Raise `TransientError` where nobody more can follow, or no more with this token."""
        if self.closed or self.clients >= self.terms.most:
            raise TransientError(
                "the service stops" if self.closed else f"{self.clients} clients follow already",
                where="/events",
                remedy="Come again in a moment",
            )
        if self.followers[token_id] >= self.terms.each:
            raise CrowdedError(
                f"this token follows with {self.terms.each} streams already",
                where=f"/events, token {token_id}",
                remedy="End one of them, or make another token with `optifire token create`",
            )

    @asynccontextmanager
    async def joined(self, token_id: str) -> AsyncIterator[None]:
        """Follow for the length of a ``with`` block; raises `TransientError` as `admit` does."""
        self.admit(token_id)
        self.followers[token_id] += 1
        try:
            yield
        finally:
            self.followers -= Counter((token_id,))  # and forgets who has none left
            if not self.followers:
                await self._let_go()

    async def _let_go(self) -> None:
        async with self._reading:
            resources, self._open, self._journal = self._open, None, None
            if resources is not None:
                await resources.aclose()

    async def span(self) -> Span:
        """Give how far the events reach now."""
        async with self._reading:
            return await (await self._source()).span()

    async def _source(self) -> Journal:
        """Give the journal, opened by whoever needs it first."""
        if self._journal is None:
            async with AsyncExitStack() as resources:
                journal = await resources.enter_async_context(self._opened())
                self._tail = Tail((await journal.span()).last, AT_HAND)
                self._read = -1
                self._journal, self._open = journal, resources.pop_all()
        return self._journal

    async def after(self, seq: int) -> Sequence[Event]:
        """Give the next events behind a place, none if there are none yet."""
        async with self._reading:
            journal = await self._source()
            if self._read != self.commits:
                await self._catch_up(journal)
            found = self._tail.after(seq, PAGE)
            return await journal.page(seq, PAGE) if found is None else found

    async def _catch_up(self, journal: Journal) -> None:
        """Read what was committed; what comes while this reads is read at the next look."""
        commits = self.commits
        while len(events := await journal.page(self._tail.last, PAGE)) == PAGE:
            self._tail.add(events)
        self._tail.add(events)
        self._read = commits

    async def wait(self, commits: int) -> None:
        """Wait until there were more commits than these, or the feed is closed."""
        while self.commits == commits and not self.closed:
            await self._news.wait()
