"""``up``: the service in the foreground, with its control socket and what a person sees of it."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optifire.app.listening import listen
from optifire.app.opening import Overrides, open_service
from optifire.app.rooms import rooms_of
from optifire.cli.house import calendar_of, settings_of
from optifire.cli.lines import Lines, print_lines
from optifire.cli.screen import Screen
from optifire.host.control import ControlServer, handlers_for
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from optifire.app.service import Service
    from optifire.cli.output import Output
    from optifire.host.home import Home
    from optifire.runtime.supervisor import Work

log = logging.getLogger("optifire.service")


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
        console = None if wanted.screen else output.stderr
        overrides = Overrides(pace=wanted.pace, fresh=wanted.fresh, console=console)
        service = await open_service(home, overrides, resources)
        server = ControlServer(home.socket, handlers_for(service, to_json))
        await server.start()
        resources.push_async_callback(server.close)
        api = listen(service, resources)
        rooms = {**rooms_of(service), **({} if api is None else {"API": api.run})}
        _stop_on_signals(service)
        await _run(service, rooms, _show(service, home, wanted, output))


async def _run(
    service: Service, rooms: Mapping[str, Work], showing: Coroutine[Any, Any, None]
) -> None:
    """Run a service and what shows it; errors of the service come out as they are."""
    try:
        async with asyncio.TaskGroup() as tasks:
            shown = tasks.create_task(showing)
            await service.run(rooms)
            shown.cancel()
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group


async def _show(service: Service, home: Home, wanted: Wanted, output: Output) -> None:
    """Show the service as a screen or as lines, until this is cancelled."""
    settings, market = settings_of(home), calendar_of(home, None)
    tz = settings.market.tz or market.tz
    try:
        if wanted.screen:
            await Screen(market, tz, settings.demo).show(service, output.console())
        else:
            await print_lines(service, Lines(tz, as_json=output.json), output)
    except OSError as error:  # nobody reads any more; the service is not there for its readers
        log.warning("nothing is shown any more: %s", error)


def _stop_on_signals(service: Service) -> None:
    """Drain at the first signal; the second one ends the process as it would any other."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
        service.stop()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
