"""The HTTP API of a home: its socket, its first token, and the room that answers."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from optifire.app.changing import Changing
from optifire.app.kept_ledger import KeptLedger
from optifire.app.reading import Reading
from optifire.app.reading_ledger import LedgerReading
from optifire.app.service import Service
from optifire.core.errors import ConfigError, TransientError
from optifire.host.tokens import TokenFile
from optifire.runtime.clock import monotonic, real_pause, wall_now

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from optifire.core.settings_api import ApiSettings
    from optifire.host.home import Home
    from optifire.runtime.supervisor import Work

log = logging.getLogger("optifire.service")

#: What the API is made with; an installation without the extra lacks them.
PACKAGES = ("litestar", "uvicorn", "httptools")
#: Connections that wait to be taken.
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that is bound, and what answers on it."""

    service: Service
    sock: socket.socket
    tokens: TokenFile
    tls: tuple[str, str] | None
    per_minute: int

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{shown}:{port}"

    async def run(self) -> None:
        """Answer until this is cancelled.

        The packages are imported here, after the service has begun, and in a thread: runs that are
        due do not wait for them.
        """
        ledger = KeptLedger(self.service.home.database(self.service.environment))
        answer = await asyncio.to_thread(self._load, ledger)
        log.info("the API answers at %s", self.url)
        try:
            await answer()
        finally:
            await ledger.close()

    def _load(self, ledger: KeptLedger) -> Work:
        from optifire.api.application import litestar_app
        from optifire.api.feed import Feed
        from optifire.api.server import Terms, serve
        from optifire.app.following import opened

        service = self.service
        feed = Feed(lambda: opened(ledger.path), real_pause)
        service.bus.listen(feed.committed)
        reading, changing = Reading(service), Changing(service)
        records = LedgerReading(service, ledger, self.tokens)
        app = litestar_app(reading, records, changing, feed)
        terms = Terms(self.per_minute, monotonic, real_pause, self.tls, feed.close)
        return lambda: serve(self.sock, terms, self.tokens, app)


def listen(service: Service, resources: AsyncExitStack) -> Listening | None:
    """Bind the API's socket and see to a first token; None where the API is switched off.

    Raises
    ------
    ConfigError
        The packages are not installed, or a TLS file is no such file.
    TransientError
        The address is taken, or not there yet: a later start may find it free.
    """
    settings = service.backing.settings().api
    if not settings.enabled:
        return None
    home = service.home
    lacking = [name for name in PACKAGES if find_spec(name) is None]
    if lacking:
        raise ConfigError(
            f"the API needs {' and '.join(lacking)}",
            where="config.yaml: api.enabled",
            remedy="Run `pip install 'optifire[api]'`, or set api.enabled: false",
        )
    tls = _tls(settings, home)
    tokens = TokenFile(home.tokens)
    tokens.all()
    sock = _bound(settings)
    resources.callback(sock.close)
    if tokens.begin(home.first_token, wall_now()):
        log.warning("the first token of the API, an admin's, is in %s", home.first_token)
    return Listening(service, sock, tokens, tls, settings.requests_per_minute)


def _tls(settings: ApiSettings, home: Home) -> tuple[str, str] | None:
    """Give the files of certificate and key, after a look at whether they fit."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = (str(home.root / settings.tls_certificate), str(home.root / settings.tls_key))
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"certificate and key cannot be used: {error.strerror or error}",
            where=f"config.yaml: api.tls_certificate: {files[0]}, api.tls_key: {files[1]}",
            remedy="Name a certificate chain and its key, both PEM files that the service may read",
        ) from error
    return files


def _bound(settings: ApiSettings) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise TransientError(
            f"the API cannot listen at {settings.host}:{settings.port}: {error.strerror}",
            where="config.yaml: api.host, api.port",
            remedy="Choose another address or port, or end what listens there",
        ) from error
    sock.settimeout(0)
    return sock
