"""What plugin authors import, and the folder of the bundled plugins."""

from optifire.sdk import Plugin, PluginContext, PluginMetadata, PluginResult

__all__ = ["Plugin", "PluginContext", "PluginMetadata", "PluginResult"]
