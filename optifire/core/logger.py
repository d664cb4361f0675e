"""The logger that plugins import: it only names; handlers, times and run ids are added outside."""

import logging

#: Everything that plugins say goes through here; the worker keeps it with the run.
logger = logging.getLogger("optifire.plugin")


def plugin_logger(plugin_id: str) -> logging.Logger:
    """Give the logger of one plugin, ``optifire.plugin.<id>``."""
    return logger.getChild(plugin_id)
