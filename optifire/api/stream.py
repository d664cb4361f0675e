"""Server-Sent Events (WHATWG HTML, 9.2): what one client is sent, and how it is dropped."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar import Response
from litestar.response.streaming import ASGIStreamingResponse

from optifire.api.tail import Event, EventKind, Wanted, resume
from optifire.core.errors import OptifireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Request

    from optifire.api.feed import Feed
    from optifire.api.tail import Span

log = logging.getLogger("optifire.api")

EVENT_STREAM = "text/event-stream"
#: Where the server leaves what cuts a connection whose client takes nothing.
ABORT = "optifire.abort"
#: Milliseconds after which a browser comes back by itself.
RETRY_MS = 2000
#: Proxies neither keep nor gather what is to arrive at once.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks for; ``last_id`` is the last id it has seen.

    ``token_id`` is that of its token, and ``holds`` tells whether that is still good.
    """

    token_id: str
    last_id: str
    wanted: Wanted
    holds: Callable[[], bool]


def frame(place: str, kind: str, data: bytes) -> bytes:
    """Give one event as it goes over the wire; its data has no line feeds."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (place.encode(), kind.encode(), data)


def place_frame(place: str) -> bytes:
    """Give a frame that moves the client's last event id and is no event (9.2.6: no data)."""
    return b"id: %b\n\n" % place.encode()


def gap_frame(place: str, reason: str, asked: str) -> bytes:
    """Tell a client that it has to look for itself: what was asked for is not there."""
    data = {"reason": reason, "asked": asked[:100], "remedy": "Read what you need from /runs"}
    return frame(place, EventKind.GAP, json.dumps(data).encode())


async def frames(feed: Feed, asked: Asked) -> AsyncGenerator[bytes]:
    """Give what a client is sent, until the feed closes or its token holds no more."""
    async with feed.joined(asked.token_id):
        span = await feed.span()
        begun = resume(asked.last_id, span)
        place, at = span.place, begun.after
        first = gap_frame(place(at), begun.missing, asked.last_id) if begun.missing else b""
        yield b"retry: %d\n" % RETRY_MS + (first or place_frame(place(at)))
        while asked.holds():
            commits = feed.commits
            events = await feed.after(at)
            if events:
                yield b"".join(_told(events, at, span, asked.wanted))
                at = events[-1].seq
                await feed.pause(feed.terms.rest)
            elif feed.closed:
                return
            elif not await _news(feed, commits):
                yield b": still here\n" + place_frame(place(at))


async def _news(feed: Feed, commits: int) -> bool:
    """Wait for a commit; False when none came for as long as a client is left without a word."""
    with suppress(TimeoutError):
        async with asyncio.timeout(feed.terms.heartbeat):
            await feed.wait(commits)
            return True
    return False


def _told(events: Sequence[Event], at: int, span: Span, wanted: Wanted) -> list[bytes]:
    """Give the frames of consecutive events behind a place: those wanted, and the place reached."""
    told: list[bytes] = []
    missing = events[0].seq - at - 1
    for event in events:
        if event.kind is EventKind.GAP:
            missing += 1
            continue
        if missing:
            told.append(_missing(missing, span, event.seq - 1))
            missing = 0
        if event in wanted:
            told.append(frame(span.place(event.seq), event.kind, event.data))
    if missing:
        told.append(_missing(missing, span, events[-1].seq))
    elif events[-1] not in wanted:
        told.append(place_frame(span.place(events[-1].seq)))
    return told


def _missing(count: int, span: Span, last: int) -> bytes:
    reason = f"{count} events are no longer kept"
    return gap_frame(span.place(last), reason, span.place(last - count))


class EventStream(Response[bytes]):
    """Answers with events until the client leaves, or takes nothing for too long."""

    def __init__(self, feed: Feed, asked: Asked) -> None:
        super().__init__(b"", media_type=EVENT_STREAM, headers=HEADERS)
        self._feed = feed
        self._asked = asked

    def to_asgi_response(
        self,
        app: object,  # noqa: ARG002 - litestar's, and deprecated there
        request: Request[Any, Any, Any],
        **_: object,
    ) -> ASGIStreamingResponse:
        """Give what sends it."""
        scope: dict[str, Any] = dict(request.scope)
        return _Sending(
            frames(self._feed, self._asked),
            headers=self.headers,
            media_type=EVENT_STREAM,
            patience=self._feed.terms.patience,
            abort=scope.get(ABORT),
        )


class _Sending(ASGIStreamingResponse):
    """Sends a stream, with an end to waiting for a client that does not read."""

    def __init__(
        self,
        parts: AsyncGenerator[bytes],
        *,
        patience: float,
        abort: Callable[[], None] | None,
        **rest: Any,  # noqa: ANN401 - litestar's
    ) -> None:
        super().__init__(iterator=parts, **rest)
        self._parts = parts
        self._patience = patience
        self._abort = abort

    async def send_body(self, send: Any, receive: Any) -> None:  # noqa: ANN401 - ASGI
        """Send until the stream ends or the client is gone."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_gone(receive))
            sending = group.create_task(self._send(send))
            watching.add_done_callback(lambda _: sending.cancel())
            sending.add_done_callback(lambda _: watching.cancel())

    async def _send(self, send: Any) -> None:  # noqa: ANN401 - ASGI
        try:
            async with aclosing(self._parts) as parts:
                async for part in parts:
                    async with asyncio.timeout(self._patience):
                        await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            log.warning("a client of /events took nothing for %g s and is dropped", self._patience)
            if self._abort is not None:
                self._abort()
                return
        except OptifireError as error:
            log.warning("a stream of /events ends: %s", error)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Any) -> None:  # noqa: ANN401 - ASGI
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
