"""ETags: an answer that has not changed since it was last asked for is not sent again."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]


class Tagged:
    """An ASGI application whose answers to GET carry an ETag and may be 304.

    An answer that comes in parts is a stream: it is passed on as it comes, without an ETag.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Hold the head of an answer to a GET until its body shows whether that is whole."""
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def compare(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            start = held.pop() if held else None
            if start is not None and not message.get("more_body", False):
                start, message = _tagged(start, message, _known(scope))
            if start is not None:
                await send(start)
            await send(message)

        await self._app(scope, receive, compare)


def _tagged(start: Message, body: Message, known: list[str]) -> tuple[Message, Message]:
    """Give both parts of a whole answer with its tag, or those of a 304."""
    if start["status"] != HTTPStatus.OK:
        return start, body
    tag = f'"{hashlib.sha256(body.get("body", b"")).hexdigest()[:32]}"'
    own = [(b"etag", tag.encode()), (b"cache-control", b"private, no-cache")]
    if tag in known or "*" in known:
        start = {**start, "status": HTTPStatus.NOT_MODIFIED.value, "headers": own}
        return start, {"type": "http.response.body", "body": b""}
    return {**start, "headers": [*start["headers"], *own]}, body


def _known(scope: dict[str, Any]) -> list[str]:
    """Give the tags that the client has; weak ones compare as strong ones do (RFC 9110, 13.1.2)."""
    said = [value for name, value in scope["headers"] if name == b"if-none-match"]
    words = b",".join(said).decode("latin-1").split(",")
    return [word.strip().removeprefix("W/") for word in words]
