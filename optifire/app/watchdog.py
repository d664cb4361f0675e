"""Tells systemd how the service is, and that it is alive: only while all of it goes on."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from optifire.ops.notify import Notifier
from optifire.runtime.clock import monotonic, real_pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optifire.app.service import Service

log = logging.getLogger("optifire.service")

#: Most seconds between two looks at whether the parts go on.
LOOK: Final = 5.0
#: Seconds between two lines of status for systemd.
STATUS_PERIOD: Final = 30.0


class Watchdog:
    """Looks after the progress of a service, and passes on to systemd what it is told.

    Parameters
    ----------
    service
        Whose progress, state and headline it is.
    notifier
        The way to systemd, if that is there.
    look
        Most seconds between two looks.
    """

    def __init__(self, service: Service, notifier: Notifier, look: float = LOOK) -> None:
        self._service = service
        self._notifier = notifier
        third = LOOK if notifier.watchdog_s is None else notifier.watchdog_s / 3
        self._period = min(look, third)
        self._stuck: Sequence[str] = ()

    async def keep(self) -> None:
        """Watch until this is cancelled."""
        service = self._service
        self._notifier.ready(service.headline())
        service.moves.watchers.append(self.enter)
        try:
            before = told = monotonic()
            while True:
                await real_pause(self._period)
                now = monotonic()
                # A pause that took longer says that the loop stood, and nothing of other parts.
                service.progress.look(min(now - before, 2 * self._period))
                self._ping(service.progress.stuck)
                if now - told >= STATUS_PERIOD and service.state != "stopping":
                    self._notifier.status(service.headline())
                    told = now
                before = now
        finally:
            service.moves.watchers.remove(self.enter)

    def enter(self, state: str) -> None:
        """Pass on that the service goes over to another state."""
        if state == "reloading":
            self._notifier.reloading(monotonic())
        elif state == "running":
            self._notifier.ready(self._service.headline())
        elif state == "stopping":
            self._notifier.stopping("draining: runs in progress have ten seconds to end")

    def _ping(self, stuck: Sequence[str]) -> None:
        """Say that the service is alive, unless a part of it stands."""
        if stuck and not self._stuck:
            log.error("%s: systemd is no longer told that all is well", "; ".join(stuck))
        elif self._stuck and not stuck:
            log.warning("all parts of the service go on again")
        self._stuck = stuck
        if not stuck:
            self._notifier.watchdog()


async def keep_watchdog(service: Service) -> None:
    """Watch the progress of a service, and tell systemd if it asked for that."""
    await Watchdog(service, Notifier(os.environ, os.getpid())).keep()
