"""The fixtures that pytest finds by itself once OptiFIRE is installed.

They give what `optifire.testing` has under the same names, so that a test needs no import. Loading
this module costs pytest next to nothing: the machinery is imported when a test uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from optifire.testing.day import Day
from optifire.testing.host import PluginHost
from optifire.testing.once import run_plugin as run_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from optifire.testing.testrun import TestRun


@pytest.fixture
def run_plugin() -> Callable[..., Awaitable[TestRun]]:
    """Give `optifire.testing.run_plugin`: one run as of an instant."""
    return run_once


@pytest.fixture
def plugin_host() -> type[PluginHost]:
    """Give `optifire.testing.PluginHost`: plugins on a clock that a test moves."""
    return PluginHost


@pytest.fixture
def plugin_day() -> type[Day]:
    """Give `optifire.testing.Day`: one day of the market."""
    return Day
