"""Fetches for plugins, in the service: granted hosts only, no state, no proxy, within limits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import optifire
from optifire.core.errors import ProviderConnectionError, ProviderDataError, SecurityError
from optifire.core.hosts import is_address
from optifire.sdk.http import Call, Headers, Response
from optifire.workers.http1 import Answer, Connection, Peer, connect, exchange, request_head
from optifire.workers.targets import (
    WHERE,
    Target,
    check_call,
    redirected,
    require_granted,
    require_public,
    target_of,
)

if TYPE_CHECKING:
    from optifire.core.job import Job

#: Fetches that go on at once; each may hold 10 MB.
MOST_AT_ONCE: Final = 8
MOST_REDIRECTS: Final = 5
#: Addresses of one name that are tried.
MOST_ADDRESSES: Final = 4
#: Seconds in which one address must let itself be reached.
CONNECT_TIMEOUT: Final = 5.0
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
#: Of these a POST is repeated where it is sent to; of the others it becomes a GET.
_REPEATED: Final = frozenset({307, 308})
#: Fields that go on to another host: the others may hold what only the first one should know.
_HARMLESS: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})

#: Gives the addresses of a name, for a port.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(name: str, port: int) -> Sequence[str]:
    """Give the addresses of a name by the machine's resolver; raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def trusted() -> ssl.SSLContext:
    """Make a context that trusts what the machine trusts; TLS 1.2 at least.

    Not ``ssl.create_default_context``, which writes session keys to a file that a variable of the
    environment names.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context


class Outward:
    """Fetches for plugins.

    Parameters
    ----------
    lookup
        Gives the addresses of a name.
    tls
        What certificates are checked with; None: with what the machine trusts.
    """

    def __init__(self, lookup: Resolve = resolve, tls: ssl.SSLContext | None = None) -> None:
        self._lookup = lookup
        self._tls = tls
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def fetch(self, call: Call, job: Job) -> Response:
        """Make a call for a job and give the answer, redirects followed.

        Raises
        ------
        OptifireError
            As `optifire.sdk.http.HttpClient` says.
        """
        check_call(call)
        target = target_of(call.url)
        require_granted(target, job.grants, job.plugin_id)
        try:
            async with asyncio.timeout(call.timeout):
                async with self._slots:
                    return await self._follow(call, target, job)
        except TimeoutError as error:
            raise ProviderConnectionError(
                f"{target.host} gave no answer within {call.timeout:g} s", where=WHERE
            ) from error

    async def _follow(self, call: Call, target: Target, job: Job) -> Response:
        method, body, fields = call.method, call.body, call.headers
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._ask(method, target, fields, body, job)
            location = answer.field("location") if answer.status in _MOVED else None
            if location is None:
                return Response(answer.status, target.url, Headers(answer.fields), answer.content)
            following = redirected(target, location)
            require_granted(following, job.grants, job.plugin_id)
            if following.origin != target.origin:
                fields = tuple(each for each in fields if each[0].lower() in _HARMLESS)
            if answer.status not in _REPEATED:
                method, body = "GET", b""
            target = following
        raise ProviderDataError(
            f"{target.host} redirects more than {MOST_REDIRECTS} times", where=WHERE
        )

    async def _ask(
        self, method: str, target: Target, fields: Sequence[tuple[str, str]], body: bytes, job: Job
    ) -> Answer:
        """Ask one host, at the first of its addresses that can be reached."""
        sent = _fields(target, fields, body, method)
        head = request_head(method, target.path, sent)
        tls = await self._context() if target.scheme == "https" else None
        try:
            addresses = await self._addresses(target)
            require_public(target, addresses, job.grants)
            return await exchange(await _connected(target, addresses, tls), head, body)
        except OSError as error:
            raise _unreachable(target, error) from error

    async def _addresses(self, target: Target) -> Sequence[str]:
        if is_address(target.name):
            return [target.name]
        return await self._lookup(target.name, target.port)

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(trusted)
        return self._tls


async def _connected(
    target: Target, addresses: Sequence[str], tls: ssl.SSLContext | None
) -> Connection:
    """Connect to one address after another, until one can be reached; raises `OSError`."""
    last: OSError = ConnectionRefusedError("it has no address")
    for address in addresses[:MOST_ADDRESSES]:
        try:
            return await connect(Peer(address, target.port, target.name, tls), CONNECT_TIMEOUT)
        except OSError as error:
            last = error
    raise last


def _fields(
    target: Target, fields: Sequence[tuple[str, str]], body: bytes, method: str
) -> list[tuple[str, str]]:
    """Give the header fields that are sent: those of the message itself, then the plugin's."""
    own = [("Host", target.host), ("Connection", "close"), ("Accept-Encoding", "identity")]
    if method != "GET":
        own.append(("Content-Length", str(len(body))))
    names = {name.lower() for name, _ in fields}
    if "user-agent" not in names:
        own.append(("User-Agent", f"OptiFIRE/{optifire.__version__}"))
    if "accept" not in names:
        own.append(("Accept", "*/*"))
    return [
        *own,
        *(each for each in fields if method != "GET" or each[0].lower() != "content-type"),
    ]


def _unreachable(target: Target, error: OSError) -> ProviderConnectionError | SecurityError:
    """Give the error of a host that could not be reached, or that is not who it should be."""
    if type(error).__name__ == "SSLCertVerificationError":
        return SecurityError(
            f"the certificate of {target.host} is not trusted: {error}",
            where=WHERE,
            remedy="Look at who answers there; certificates are always checked",
        )
    return ProviderConnectionError(f"{target.host} cannot be reached: {error}", where=WHERE)
