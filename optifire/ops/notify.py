"""Telling systemd how the service is: ready, reloading, stopping, alive, and a line of status.

Source: sd_notify(3) and systemd.exec(5); a datagram of ``KEY=value`` lines to NOTIFY_SOCKET.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

MICROSECONDS: Final = 1_000_000


class Notifier:
    """Sends to the socket that systemd gave, if it gave one; never waits and never raises.

    Parameters
    ----------
    environ
        The environment of the service: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID count.
    pid
        The service's process id: systemd may have meant the watchdog for another one.
    """

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._failed = False
        #: Seconds after which systemd takes silence for a hang; None if it does not watch.
        self.watchdog_s = _watchdog(environ, pid) if self._address else None

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return self._address is not None

    def ready(self, status: str = "") -> bool:
        """Say that the service is up. Gives whether it was sent, as all of these do."""
        return self._send("READY=1", *_status(status))

    def status(self, status: str) -> bool:
        """Say in one line how things are, for ``systemctl status``."""
        return self._send(*_status(status))

    def watchdog(self) -> bool:
        """Say that the service is alive; wanted at least every half of `watchdog_s`."""
        return self._send("WATCHDOG=1")

    def reloading(self, monotonic_s: float) -> bool:
        """Say that the configuration is being read again, at this many monotonic seconds.

        `ready` must follow, also when nothing was taken over.
        """
        return self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_s * MICROSECONDS:.0f}")

    def stopping(self, status: str = "") -> bool:
        """Say that the service is on its way down."""
        return self._send("STOPPING=1", *_status(status))

    def _send(self, *lines: str) -> bool:
        if self._address is None or not lines:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(0)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            self._complain(error)
            return False
        self._failed = False
        return True

    def _complain(self, error: OSError) -> None:
        """Log the first of several failures in a row: systemd will act on its own view anyway."""
        if not self._failed:
            logger.warning("systemd cannot be told how the service is: %s", error)
        self._failed = True


def _address(named: str) -> str | None:
    """Give the socket's address; ``@`` stands for the zero byte of an abstract one."""
    if not named:
        return None
    if named[0] == "@" and len(named) > 1:
        return "\0" + named[1:]
    if named[0] == "/":
        return named
    logger.warning("NOTIFY_SOCKET is %r, neither a path nor an abstract socket; not used", named)
    return None


def _watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not microseconds.isdecimal() or int(microseconds) == 0:
        logger.warning("WATCHDOG_USEC is %r, not a number above 0; not used", microseconds)
        return None
    return int(microseconds) / MICROSECONDS


def _status(status: str) -> tuple[str, ...]:
    """Give the status as a line of its own; a line break would begin another key."""
    return (f"STATUS={' '.join(status.split())}",) if status.strip() else ()
