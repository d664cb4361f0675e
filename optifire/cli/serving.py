"""``up``: the service in the foreground, with its control socket and what a person sees of it."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.app.listening import listen
from optifire.app.opening import Overrides, open_service
from optifire.app.rooms import rooms_of
from optifire.cli.lines import Lines, print_lines
from optifire.host.control import ControlServer, handlers_for
from optifire.workers.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import FrameType
    from typing import Any

    from optifire.app.service import Service
    from optifire.cli.output import Output
    from optifire.host.home import Home
    from optifire.runtime.supervisor import Work

log = logging.getLogger("optifire.service")

#: What asks the service to end: Ctrl-C, systemd, a terminal that is closed.
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Shows the cursor and goes back from the alternate screen (xterm's DECTCEM and 1049).
LEAVE_SCREEN: Final = b"\x1b[?25h\x1b[?1049l"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a person wants the service: from the start, at which pace, and with which face."""

    fresh: bool = False
    pace: float | None = None
    screen: bool = True


async def serve(home: Home, wanted: Wanted, output: Output) -> None:
    """Run the service of a home until Ctrl-C, SIGTERM or SIGHUP, then let it drain.

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
        resources.callback(_stop_on_signals(service, screen=wanted.screen))
        if not wanted.screen:
            faulthandler.enable(output.stderr)  # where it stood, when the watchdog ends it
            resources.callback(faulthandler.disable)
        await _run(service, rooms, _show(service, wanted, output))


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


async def _show(service: Service, wanted: Wanted, output: Output) -> None:
    """Show the service as a screen or as lines, until this is cancelled."""
    settings = service.configuration.settings
    market = service.catalogs.calendars.in_use
    tz = settings.market.tz or market.tz
    try:
        if wanted.screen:
            from optifire.cli.screen import Screen  # a service that nobody looks at needs no rich

            await Screen(market, tz, settings.demo).show(service, output.console())
        else:
            lines = Lines(tz, as_json=output.json)
            await print_lines(service, lines, output, lambda: (service.state, service.runs.ended))
    except OSError as error:  # nobody reads any more; the service is not there for its readers
        log.warning("nothing is shown any more: %s", error)


def _stop_on_signals(service: Service, *, screen: bool) -> Callable[[], None]:
    """Drain at the first signal; the second one ends the process as it would any other.

    That holds while the event loop stands, too: handlers are called between two steps of whatever
    the main thread does. Gives what puts the handlers back that were there before.
    """
    loop = asyncio.get_running_loop()
    handlers = {each: signal.getsignal(each) for each in SIGNALS}
    before = {each: it for each, it in handlers.items() if it is not signal.SIG_IGN}  # as by nohup

    def stop(_: int, __: FrameType | None) -> None:
        for each in before:
            signal.signal(each, _end_now if screen else signal.SIG_DFL)
        loop.call_soon_threadsafe(service.stop)

    for each in before:
        signal.signal(each, stop)

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    return restore


def _end_now(number: int, _: FrameType | None) -> None:
    """Give the terminal back as it was, and end by the signal."""
    os.write(sys.stdout.fileno(), LEAVE_SCREEN)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
