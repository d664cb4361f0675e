"""ETags: an answer that has not changed since it was last asked for is not sent again."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]


class Tagged:
    """An ASGI application whose answers to GET carry an ETag and may be 304."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Hold the answer to a GET until it is whole, and compare it with what the client has."""
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if held and held[0]["status"] == HTTPStatus.OK:
            held = _tagged(held, _known(scope))
        for message in held:
            await send(message)


def _tagged(held: list[Message], known: list[str]) -> list[Message]:
    start, *rest = held
    body = b"".join(each.get("body", b"") for each in rest)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    own = [(b"etag", tag.encode()), (b"cache-control", b"private, no-cache")]
    if tag in known or "*" in known:
        start = {**start, "status": HTTPStatus.NOT_MODIFIED.value, "headers": own}
        return [start, {"type": "http.response.body", "body": b""}]
    return [{**start, "headers": [*start["headers"], *own]}, *rest]


def _known(scope: dict[str, Any]) -> list[str]:
    """Give the tags that the client has; weak ones compare as strong ones do (RFC 9110, 13.1.2)."""
    said = [value for name, value in scope["headers"] if name == b"if-none-match"]
    words = b",".join(said).decode("latin-1").split(",")
    return [word.strip().removeprefix("W/") for word in words]
