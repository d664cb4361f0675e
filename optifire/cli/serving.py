"""``up``: the service in the foreground, with its control socket and what a person sees of it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optifire.app.opening import Overrides, open_service
from optifire.cli.house import calendar_of, settings_of
from optifire.cli.screen import Screen
from optifire.host.control import ControlServer, handlers_for
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from optifire.app.service import Service
    from optifire.cli.output import Output
    from optifire.host.home import Home


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a person wants the service: from the start, at which pace, and with which face."""

    fresh: bool = False
    pace: float | None = None
    screen: bool = True


async def serve(home: Home, wanted: Wanted, output: Output) -> None:
    """Run the service of a home until Ctrl-C or SIGTERM, then let it drain.

    Raises
    ------
    ConfigError
        With file, line and key.
    LockedError
        Another service holds this home.
    """
    async with AsyncExitStack() as resources:
        overrides = Overrides(pace=wanted.pace, fresh=wanted.fresh)
        service = await open_service(home, overrides, resources)
        server = ControlServer(home.socket, handlers_for(service, to_json))
        await server.start()
        resources.push_async_callback(server.close)
        _stop_on_signals(service)
        if wanted.screen:
            await _with_screen(service, home, output)
        else:
            await service.run()


async def _with_screen(service: Service, home: Home, output: Output) -> None:
    settings, market = settings_of(home), calendar_of(home, None)
    screen = Screen(market, settings.market.tz or market.tz, settings.demo)
    async with asyncio.TaskGroup() as tasks:
        showing = tasks.create_task(screen.show(service, output.console()))
        await service.run()
        showing.cancel()


def _stop_on_signals(service: Service) -> None:
    """Drain at the first signal; the second one ends the process as it would any other."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
        service.stop()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
