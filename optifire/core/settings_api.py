"""The settings of the HTTP API, and when it may listen where others can reach it."""

import ipaddress
from dataclasses import dataclass

from optifire.core.setting import Kind, Setting

LOOPBACK = "127.0.0.1"
PORT = 8765
#: Requests a minute of one client, where config.yaml says nothing.
REQUESTS_PER_MINUTE = 100

#: What ``api`` in config.yaml takes.
API_FIELDS: tuple[Setting, ...] = (
    Setting(
        "api.enabled",
        Kind.FLAG,
        "Whether the service answers over HTTP; needs the packages of optifire[api].",
        default=False,
    ),
    Setting(
        "api.host",
        Kind.TEXT,
        "The address that the API listens on; one that others reach needs TLS or a proxy.",
        default=LOOPBACK,
    ),
    Setting(
        "api.port",
        Kind.COUNT,
        "The port of the API; 0 takes one that is free, and the log says which.",
        default=PORT,
        minimum=0,
        maximum=65535,
    ),
    Setting(
        "api.tls_certificate",
        Kind.TEXT,
        "The certificate chain of the API, a PEM file; relative to the home.",
        otherwise="no TLS",
    ),
    Setting(
        "api.tls_key",
        Kind.TEXT,
        "The private key of the certificate, a PEM file; relative to the home.",
        otherwise="no TLS",
    ),
    Setting(
        "api.behind_proxy",
        Kind.FLAG,
        "Whether a proxy with TLS stands before an address that others reach.",
        default=False,
    ),
    Setting(
        "api.requests_per_minute",
        Kind.COUNT,
        "Requests that one client may make in a minute.",
        default=REQUESTS_PER_MINUTE,
        minimum=1,
        maximum=1000000,
    ),
)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Whether and where the service answers over HTTP."""

    enabled: bool = False
    host: str = LOOPBACK
    port: int = PORT
    tls_certificate: str | None = None
    tls_key: str | None = None
    behind_proxy: bool = False
    requests_per_minute: int = REQUESTS_PER_MINUTE

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted by the service itself."""
        return self.tls_certificate is not None and self.tls_key is not None

    @property
    def is_reachable(self) -> bool:
        """Whether others than this machine can reach it; a name other than localhost may be."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True
