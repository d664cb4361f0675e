"""Where a client stands in the order of events, what it is told, and the newest kept at hand."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLACE = re.compile(r"([0-9a-f]{1,32})\.(0|[1-9][0-9]{0,17})", re.ASCII)


class EventKind(StrEnum):
    """What an event of the stream is about."""

    #: A run started or ended.
    RUN = "run"
    #: A run published an event.
    PUBLISHED = "published"
    #: Something that explains runs: a switch, a pause, a quarantine, a start of the service.
    NOTE = "note"
    #: Events that were asked for are not there: the client has to look for itself.
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``data`` is one line of JSON.

    ``plugin_id`` is ``*`` where it is about all of them, None where it is about none. What is
    ``guarded`` is for admins. Of a gap nobody knows any of it.
    """

    seq: int
    kind: EventKind
    plugin_id: str | None = None
    status: str | None = None
    data: bytes = b""
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The name of an order of events, and its oldest and newest place (1 and 0: no events)."""

    name: str
    first: int
    last: int

    def place(self, seq: int) -> str:
        """Give a place in it as the id of an event: it holds for as long as the ledger."""
        return f"{self.name}.{seq}"


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a stream begins: behind ``after``; ``missing`` says why events are not there."""

    after: int
    missing: str = ""


def resume(asked: str, span: Span) -> Resumed:
    """Give where a client goes on that knows all up to the id ``asked``, "" if it knows none.

    One that knows none begins with what comes, and so does one whose id is of another ledger: what
    it knows of is not what is here. Events that are no longer kept are said to be missing.
    """
    if not asked:
        return Resumed(span.last)
    match = _PLACE.fullmatch(asked)
    if match is None:
        return Resumed(span.last, "this is no id of an event")
    if match[1] != span.name:
        return Resumed(span.last, "the id is of another ledger, or of before a restore")
    after = int(match[2])
    if after > span.last:
        return Resumed(span.last, "there is no such event yet")
    if after < span.first - 1:
        return Resumed(span.first - 1, "events after this id are no longer kept")
    return Resumed(after)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a client gets: all conditions hold together, an empty one is none."""

    plugins: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    admin: bool = False

    def __contains__(self, event: Event) -> bool:
        """Tell whether a client gets an event."""
        return (
            (self.admin or not event.guarded)
            and (not self.plugins or event.plugin_id in {"*", *self.plugins})
            and (not self.kinds or event.kind in self.kinds)
            and (not self.statuses or event.status in self.statuses)
        )


class Tail:
    """The newest events of an order, so many at most, without a hole between them."""

    def __init__(self, last: int, most: int) -> None:
        self.last = last
        self._events: deque[Event] = deque(maxlen=most)

    def add(self, events: Sequence[Event]) -> None:
        """Take on what comes next; what does not follow the last one begins the tail anew."""
        for event in events:
            if event.seq != self.last + 1:
                self._events.clear()
            self._events.append(event)
            self.last = event.seq

    def after(self, seq: int, limit: int) -> Sequence[Event] | None:
        """Give the events behind a place, None where it is too old to be here."""
        if seq >= self.last:
            return ()
        at = len(self._events) - (self.last - seq)
        if at < 0:
            return None
        return [self._events[each] for each in range(at, min(at + limit, len(self._events)))]
