"""The test kit for plugin authors: a host on a virtual clock, one run of a plugin, conformance."""

from optifire.testing.asked import Asked, PluginLike
from optifire.testing.case import PluginTestCase
from optifire.testing.conformance import PluginContract, check_folder
from optifire.testing.day import Day
from optifire.testing.feeds import NoBars
from optifire.testing.host import PluginHost
from optifire.testing.once import run_plugin
from optifire.testing.testrun import TestRun

__all__ = [
    "Asked",
    "Day",
    "NoBars",
    "PluginContract",
    "PluginHost",
    "PluginLike",
    "PluginTestCase",
    "TestRun",
    "check_folder",
    "run_plugin",
]
