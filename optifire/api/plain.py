"""Litestar with as little as this API needs."""

from litestar import Litestar
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
