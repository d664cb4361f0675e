"""Where a call of ``context.http`` wants to go, and whether it may: URLs, headers, addresses."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from optifire.core.errors import ContractError, ProviderDataError, SecurityError
from optifire.core.hosts import HostPattern, host_name, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optifire.core.permissions import Grants
    from optifire.sdk.http import Call

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

WHERE: Final = "context.http"
PORTS: Final = {"http": 80, "https": 443}
METHODS: Final = frozenset({"GET", "POST"})
LONGEST_URL: Final = 8192
LONGEST_TIMEOUT: Final = 600.0
MOST_FIELDS: Final = 64
LONGEST_FIELD: Final = 8192
MAX_BODY: Final = 10 << 20
#: What a URL is written with (RFC 3986, 2); everything else is percent-encoded.
_URL: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
#: Fields that say how the message travels, which is not the plugin's to say.
_OURS: Final = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te",
        "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
#: IPv4 addresses in IPv6 ones, by which a translator reaches them (RFC 6052, 2.1).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """One place of the web: scheme, host and port, and what is asked for there."""

    scheme: str
    name: str
    port: int
    path: str

    @property
    def host(self) -> str:
        """The host as a ``Host`` field names it, the port only where it is not the usual one."""
        usual = PORTS[self.scheme] == self.port
        return str(HostPattern(self.name, None if usual else self.port))

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What decides whether two places are one."""
        return self.scheme, self.name, self.port


def target_of(url: str) -> Target:
    """Read a URL.

    Raises
    ------
    ContractError
        It is none of http or https, holds credentials, or is written in a way that two programs
        could read in two ways.
    """
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise _wrong(url, "it is too long, or has characters that are not percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _wrong(url, str(error)) from error
    scheme = parts.scheme.lower()
    if scheme not in PORTS:
        raise _wrong(url, "it is neither http:// nor https://")
    if "@" in parts.netloc:
        raise _wrong(url, "it holds a name or password; send them as headers")
    try:
        name = host_name(parts.hostname or "")
    except ValueError as error:
        raise _wrong(url, str(error)) from error
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    return Target(scheme, name, PORTS[scheme] if port is None else port, f"{path}{query}")


def redirected(origin: Target, location: str) -> Target:
    """Give where an answer sends to.

    Raises
    ------
    SecurityError
        That is no longer encrypted.
    ProviderDataError
        It is no place to fetch from.
    """
    try:
        target = target_of(urljoin(origin.url, location))
    except (ValueError, ContractError) as error:
        raise ProviderDataError(
            f"{origin.host} redirects to what cannot be fetched: {error}", where=WHERE
        ) from error
    if origin.scheme == "https" and target.scheme != "https":
        raise SecurityError(
            f"{origin.host} redirects from https to http ({target.host})",
            where=WHERE,
            remedy="Ask for the address that is meant",
        )
    return target


def check_call(call: Call) -> None:
    """Raise `ContractError` where a call cannot be sent as it is; a child may say anything."""
    if call.method not in METHODS:
        raise _wrong(call.url, f"the method is {call.method!r}")
    if not (math.isfinite(call.timeout) and 0 < call.timeout <= LONGEST_TIMEOUT):
        raise _wrong(call.url, f"the timeout is {call.timeout:g}, and not 0 to 600 seconds")
    if len(call.body) > MAX_BODY:
        raise _wrong(call.url, f"it carries more than {MAX_BODY >> 20} MB")
    if len(call.headers) > MOST_FIELDS:
        raise _wrong(call.url, f"it has more than {MOST_FIELDS} headers")
    for name, value in call.headers:
        folded = name.lower()
        if not _NAME.fullmatch(name) or folded in _OURS or folded.startswith("proxy-"):
            raise _wrong(call.url, f"the header {name!r} is not for a plugin to set")
        if len(value) > LONGEST_FIELD or not _VALUE.fullmatch(value):
            raise _wrong(call.url, f"the header {name} is too long or holds control characters")


def require_granted(target: Target, grants: Grants, plugin_id: str) -> None:
    """Raise `SecurityError` where a plugin is not granted a host."""
    if not grants.allows_host(target.name, target.port):
        word = f"network:{target.host}"
        raise SecurityError(
            f"{plugin_id} may not fetch from {target.host}",
            where=WHERE,
            remedy=f"Declare {word} in the metadata, and grant {word} under "
            f"plugins.{plugin_id}.permissions in features.yaml",
        )


def require_public(target: Target, addresses: Sequence[str], grants: Grants) -> None:
    """Raise `SecurityError` where a name leads into this machine or its network.

    Whoever keeps a domain decides what its names lead to; so an address that is not of the public
    internet must be granted itself. ``localhost`` is what it says.
    """
    if is_address(target.name):
        return  # the grant names it
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        if target.name == "localhost" and address.is_loopback:
            continue
        if not is_public(address) and not grants.allows_host(str(address), target.port):
            word = f"network:{HostPattern(str(address))}"
            raise SecurityError(
                f"{target.name} leads to {address}, which is not of the public internet",
                where=WHERE,
                remedy=f"If that is meant, declare and grant {word} too",
            )


def is_public(address: Address) -> bool:
    """Tell whether an address, and what it may stand for, is of the public internet."""
    return all(each.is_global and not each.is_multicast for each in _meanings(address))


def _meanings(address: Address) -> Iterable[Address]:
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        yield from (each for each in inner if each is not None)


def _wrong(url: str, why: str) -> ContractError:
    shown = url if len(url) <= 200 else f"{url[:200]}..."  # noqa: PLR2004 - as much as one reads
    # What stands before an @ may be a password, and what follows a ? may hold a key.
    shown = shown.rpartition("@")[2].partition("?")[0]
    return ContractError(f"{shown!r} cannot be fetched: {why}", where=WHERE)
