"""What every plugin must hold to, whichever it is: as findings, and as a class of tests."""

from optifire.testing.conformance.checking import check, check_folder
from optifire.testing.conformance.contract import PluginContract

__all__ = ["PluginContract", "check", "check_folder"]
