"""Waits for what other tasks and processes do."""

from collections.abc import Callable

from optifire.runtime.clock import real_pause


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; the test's own timeout is the limit."""
    while not holds():
        await real_pause(0.002)
