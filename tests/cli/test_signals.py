"""Which signals end a service, and which it leaves as it found them."""

import asyncio
import signal
from typing import Any, cast

import pytest

from optifire.cli.serving import _stop_on_signals


class Service:
    """What is told to stop."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    def stop(self) -> None:
        self.told.set()


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
async def test_a_signal_that_was_ignored_stays_so_while_the_service_drains(
    ignored: signal.Signals,
) -> None:
    """As `nohup` and the shell's ``&`` start it."""
    was = signal.signal(ignored, signal.SIG_IGN)
    service = Service()
    restore = _stop_on_signals(cast("Any", service), screen=False)
    try:
        signal.raise_signal(signal.SIGTERM)
        await service.told.wait()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # the second one ends it
        assert signal.getsignal(ignored) is signal.SIG_IGN
    finally:
        restore()
        signal.signal(ignored, was)
