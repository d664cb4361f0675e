"""The server: HTTP/1.1 on the service's own event loop, on a socket that is bound already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from optifire.api.application import application
from optifire.api.rate import RateLimit
from optifire.api.wire import Wire

if TYPE_CHECKING:
    import socket

    from litestar import Litestar

    from optifire.api.gate import Identifies

#: Connections at once; those above are answered 503.
MOST_CONNECTIONS = 256
#: Seconds that a connection may be quiet between two requests.
KEEP_ALIVE = 15
#: Seconds that answers under way may still take when the service ends.
FAREWELL = 1
#: Seconds between two looks at the clock, for the Date header, and at who says nothing.
TICK = 1.0


@dataclass(frozen=True, slots=True)
class Terms:
    """How a home is served.

    ``tls`` are the files of certificate and key; ``leave`` lets answers end that go on for ever.
    """

    per_minute: int
    monotonic: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    tls: tuple[str, str] | None = None
    leave: Callable[[], None] = lambda: None


class _Server(uvicorn.Server):
    """Leaves signals to the service, and wakes once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config, pause: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(config)
        self._pause = pause

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catch none: the service drains at SIGTERM."""
        yield

    async def main_loop(self) -> None:
        """Go on until the server is told to exit or its task is cancelled."""
        while not await self.on_tick(0):
            await self._pause(TICK)
            for each in tuple(self.server_state.connections):
                if isinstance(each, Wire):
                    each.look()


async def serve(sock: socket.socket, terms: Terms, tokens: Identifies, app: Litestar) -> None:
    """Answer on a socket until this is cancelled; answers under way get a second then."""
    limit = RateLimit(terms.per_minute, terms.monotonic)
    certificate, key = terms.tls or (None, None)
    config = uvicorn.Config(
        application(app, tokens, limit),
        http=Wire,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=FAREWELL,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = _Server(config, terms.pause)
    try:
        await server.serve(sockets=[sock])
    finally:
        terms.leave()
        if server.started:
            await server.shutdown(sockets=[sock])
