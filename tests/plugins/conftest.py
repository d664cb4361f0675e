"""The fixtures that the bundled plugins' own suites use."""

from optifire.plugins.conftest import host, sessions, source

__all__ = ["host", "sessions", "source"]
