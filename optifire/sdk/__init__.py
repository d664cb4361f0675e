"""What a plugin may see: the base class, its metadata, its context and its result."""

from optifire.sdk.context import PluginContext
from optifire.sdk.plugin import Plugin, PluginMetadata
from optifire.sdk.result import PluginResult

__all__ = ["Plugin", "PluginContext", "PluginMetadata", "PluginResult"]
