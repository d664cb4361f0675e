"""Litestar with as little as this API needs."""

from typing import Any

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin


class PlainLitestar(Litestar):
    """Litestar without its support for pydantic and attrs.

    It would import them wherever they are installed, as some packages of plugins bring them: 7 MB
    of an idle service for types that no route has.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        """Give what msgspec's types need, and nothing else."""
        return [*plugins, MsgspecDIPlugin()]


class Route(HTTPRouteHandler):
    """A route whose guards are shown the route; litestar makes a copy of it for every request."""

    __slots__ = ()

    async def authorize_connection(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Ask every guard."""
        for guard in self.resolve_guards():
            await guard(connection, self)  # type: ignore[misc] # litestar's own type of a guard


def get(path: str, **said: Any) -> Route:  # noqa: ANN401 - litestar's own
    """Give what makes a function a route that reads."""
    return Route(path, http_method="GET", **said)


def post(path: str, **said: Any) -> Route:  # noqa: ANN401 - litestar's own
    """Give what makes a function a route that changes."""
    return Route(path, http_method="POST", **said)
