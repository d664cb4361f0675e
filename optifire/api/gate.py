"""What stands before every route: who asks, how often, and what each may do.

The gate wraps the whole application, so that a path that does not exist is counted too. A route
says in ``opt`` which role it needs (``role``) or that it is open on purpose (``public``); one that
says neither needs an admin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from litestar.exceptions import NotAuthorizedException, PermissionDeniedException

from optifire.api.problems import PROBLEM, encoded, problem
from optifire.core.access import Caller, Role
from optifire.core.errors import OptifireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler

    from optifire.api.rate import RateLimit

#: Where the gate leaves what it found out; `asking` takes it up.
ASKING = "optifire.asking"
BEARER = {"WWW-Authenticate": 'Bearer realm="optifire"'}
#: The longest Authorization header that is looked at.
LONGEST_HEADER = 200


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks.

    ``caller`` is None for somebody without a token that holds; ``holds`` tells whether it still is
    as it was, since an answer may take hours.
    """

    caller: Caller | None
    holds: Callable[[], bool]


class Identifies(Protocol):
    """Knows tokens."""

    def identify(self, text: str) -> Caller | None:
        """Give who shows this token, None if nobody may."""


class Gate:
    """An ASGI application before another one.

    Parameters
    ----------
    app
        What answers those who are let through.
    tokens
        Knows who a token belongs to.
    limit
        Counts the requests of a token; those without one count for their address, so that nobody
        who guesses keeps out somebody who has one.
    """

    def __init__(self, app: Callable[..., Any], tokens: Identifies, limit: RateLimit) -> None:
        self._app = app
        self._tokens = tokens
        self._limit = limit

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Find out who asks, and answer 429 to those who ask too often."""
        shown = _shown(scope)
        try:
            caller = self._tokens.identify(shown) if shown else None
        except OptifireError as error:
            said = problem(503, error.message, scope["path"], kind=type(error).__name__)
            await _refuse(send, said, {})
            return
        address = (scope.get("client") or ("?",))[0]
        wait = self._limit.wait(caller.token_id if caller else f"address {address}")
        if wait:
            seconds = math.ceil(wait)
            said = problem(
                429,
                "too many requests",
                scope["path"],
                where="api.requests_per_minute of config.yaml",
                remedy=f"Wait {seconds} s",
            )
            await _refuse(send, said, {"retry-after": str(seconds)})
            return
        scope[ASKING] = Asking(caller, lambda: self._tokens.identify(shown) == caller)
        await self._app(scope, receive, send)


async def permit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let through who may use this route; nobody reads a parameter before.

    A coroutine, because litestar calls a plain function in a thread.
    """
    if handler.opt.get("public", False):
        return
    wanted: Role = handler.opt.get("role", Role.ADMIN)
    caller = caller_of(connection)
    if not caller.role.covers(wanted):
        raise PermissionDeniedException(
            f"this needs the role {wanted}, and {caller.name} is {caller.role}",
            extra={
                "where": f"token {caller.token_id}",
                "remedy": f"Make a token with `optifire token create NAME --role {wanted}`",
            },
        )


def asking(connection: ASGIConnection[Any, Any, Any, Any]) -> Asking:
    """Give what the gate found out of who asks."""
    scope = cast("Mapping[str, Any]", connection.scope)
    found: Asking = scope[ASKING]
    return found


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Give who asks; raises `NotAuthorizedException` where no token that holds was shown."""
    caller = asking(connection).caller
    if caller is None:
        raise NotAuthorizedException(
            "a token that holds is needed",
            headers=BEARER,
            extra={
                "where": "Authorization: Bearer TOKEN",
                "remedy": "Make a token with `optifire token create NAME --role viewer`",
            },
        )
    return caller


def _shown(scope: dict[str, Any]) -> str:
    """Give the token that a request shows, empty where it shows none."""
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(shown) != 1 or len(shown[0]) > LONGEST_HEADER:
        return ""
    scheme, _, token = shown[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _refuse(send: Any, said: dict[str, Any], headers: dict[str, str]) -> None:  # noqa: ANN401 - ASGI
    body = encoded(said)
    headers = {"content-type": PROBLEM, "content-length": str(len(body)), **headers}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": said["status"], "headers": pairs})
    await send({"type": "http.response.body", "body": body})
