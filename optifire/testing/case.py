"""`PluginTestCase`: for suites written with `unittest`; pytest runs them as well."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, Any, TypeVar

from optifire.testing.once import USUAL_INSTANT, run_plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optifire.core.ports import BarReader, Frame
    from optifire.sdk.plugin import Plugin
    from optifire.testing.asked import Instant
    from optifire.testing.testrun import TestRun

SomePlugin = TypeVar("SomePlugin", bound="Plugin")


class PluginTestCase(unittest.IsolatedAsyncioTestCase):
    """Makes plugins and runs them; tests may be plain or ``async``.

    Write ``plugin = self.create_plugin(MyPlugin, config={...})``, look at ``plugin.metadata`` and
    ``plugin.plan()``, then ``run = await self.run_plugin(plugin)``.
    """

    def create_plugin(
        self, cls: type[SomePlugin], config: Mapping[str, Any] | None = None
    ) -> SomePlugin:
        """Make a plugin; its runs in this test get the settings."""
        plugin = cls()
        self._configs()[id(plugin)] = (plugin, dict(config or {}))
        return plugin

    async def run_plugin(
        self,
        plugin: Plugin,
        at: Instant = USUAL_INSTANT,
        *,
        data: Mapping[str, Any] | None = None,
        bars: Mapping[str, Frame] | BarReader | None = None,
        tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> TestRun:
        """Run a plugin once as of an instant; see `optifire.testing.run_plugin`."""
        _, config = self._configs().get(id(plugin), (plugin, {}))
        return await run_plugin(plugin, at, config=config, data=data, bars=bars, tables=tables)

    def _configs(self) -> dict[int, tuple[Plugin, dict[str, Any]]]:
        """Give the settings of the plugins made here; the plugin is held, so that ids stay."""
        held: dict[int, tuple[Plugin, dict[str, Any]]] = self.__dict__.setdefault("_made", {})
        return held
