"""HTTP/1.1 as it comes in: read by a parser in C, within bounds, and strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from optifire.api.stream import ABORT

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

#: Bytes of the longest request line with headers, and of the longest request with everything that
#: is sent around its body. The routes take far less; what they refuse has to be read first.
LONGEST_HEAD, LONGEST_REQUEST = 32 << 10, 1 << 20
#: Bytes that are parsed at a time; by so many a bound may be passed.
PIECE = 4 << 10
#: Looks, one a second, after which a connection is closed on which no request has come in whole.
MOST_LOOKS = 15
#: The versions of HTTP that are spoken; the parser knows more.
VERSIONS = ("1.0", "1.1")
INVALID = "Invalid HTTP request received."


class Joined:
    """A transport that sends the head of an answer with what follows it.

    To send is most of what a short answer costs, and uvicorn would do it twice.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the transport's own
        return getattr(self._transport, name)

    def hold(self) -> None:
        """Keep what is written until `let_go`."""
        self._held = []

    def let_go(self) -> None:
        """Send what was kept, and from now on at once."""
        held, self._held = self._held, None
        if held:
            self._transport.write(b"".join(held))

    def write(self, data: bytes) -> None:
        """Send, or keep."""
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(data)

    def close(self) -> None:
        """Send what was kept, and close."""
        self.let_go()
        self._transport.close()


def _joining(transport: Joined, send: Any) -> Any:  # noqa: ANN401 - ASGI
    """Give what sends the messages of one answer, the first together with the second."""

    async def joined(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            transport.hold()
            await send(message)
        else:
            await send(message)
            transport.let_go()

    return joined


class Wire(HttpToolsProtocol):
    """One connection.

    It leaves in the scope what cuts it: closing it would wait for the client to take what it has
    been sent. The parser has no bounds of its own, takes a request without a host, and lets fields
    behind a body (RFC 9112, 7.1.2) join the headers when these may have been looked at already.
    """

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*given, **named)
        app: Callable[..., Awaitable[None]] = self.app
        self._in_head = True
        self._taken = 0
        self._looks = 0

        async def marked(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
            scope[ABORT] = self.transport.abort
            await app(scope, receive, _joining(cast("Joined", self.transport), send))

        self.app = marked

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; all that is sent goes through what joins it (typed as uvicorn types it)."""
        super().connection_made(cast("asyncio.Transport", Joined(transport)))

    def data_received(self, data: bytes) -> None:
        """Parse what came, until it is too much."""
        for at in range(0, len(data), PIECE):
            if self.transport.is_closing():
                return
            piece = data[at : at + PIECE]
            self._taken += len(piece)
            if self._taken > (LONGEST_HEAD if self._in_head else LONGEST_REQUEST):
                self.send_400_response(INVALID)
                return
            super().data_received(piece)

    def look(self) -> None:
        """Close the connection if no request has come in whole for too long.

        uvicorn closes what is quiet behind an answer, and waits for ever for a first request, or
        for the end of one that has begun: so a few clients could take the places of all.
        """
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        waits = cycle is None or cycle.response_complete
        self._looks = self._looks + 1 if waits else 0
        if self._looks > MOST_LOOKS:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to count anew; what came before in the same piece is not of this request."""
        super().on_message_begin()
        self._in_head, self._taken = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes behind a body is passed over."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer; raises `ValueError`, which the parser refuses as any other wrong head.

        RFC 9112, 3.2: a request of version 1.1 has one host, and none has two.
        """
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if version not in VERSIONS or hosts > 1 or (version == "1.1" and not hosts):
            raise ValueError(version, hosts)
        self._in_head, self._looks = False, 0
        super().on_headers_complete()
