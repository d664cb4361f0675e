"""Host patterns of permissions: ``api.example.com``, ``*.example.com:443``, ``[::1]:8080``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

MAX_PORT: Final = 65535
#: Labels of a name (RFC 1123, 2.1) and, as the world uses them, underscores.
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_NAME: Final = 253
#: What a resolver may take for a number, as in ``127.1`` or ``0x7f.1`` (inet_aton(3)).
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True, order=True)
class HostPattern:
    """Which hosts are meant: a name or address, or all names below one; on one port or on any.

    ``name`` is in lower case, without brackets; one that begins with ``*.`` stands for every name
    below the rest, at any depth, and not for the rest itself.
    """

    name: str
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"

    def covers(self, name: str, port: int) -> bool:
        """Tell whether a host as `host_name` gives it is meant, on that port."""
        return self.port in {None, port} and _covers(self.name, name)

    def common(self, other: HostPattern) -> HostPattern | None:
        """Give the pattern of what both mean, None where that is nothing."""
        if self.port is not None and other.port is not None and self.port != other.port:
            return None
        port = other.port if self.port is None else self.port
        if _covers(self.name, other.name):
            return HostPattern(other.name, port)
        return HostPattern(self.name, port) if _covers(other.name, self.name) else None


def _covers(pattern: str, name: str) -> bool:
    """Tell whether a pattern means a name, or all that another pattern means."""
    return pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def parse_host(text: str) -> HostPattern:
    """Read a pattern; raises `ValueError` saying what is wrong and what to write."""
    name, port = _split(text)
    wild = name.startswith("*.")
    plain = host_name(name[2:] if wild else name)
    if wild and (is_address(plain) or "." not in plain):
        raise ValueError("`*.` stands before a domain with a dot in it, as in *.example.com")
    return HostPattern(f"*.{plain}" if wild else plain, port)


def _split(text: str) -> tuple[str, int | None]:
    """Give name, without brackets, and port."""
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", text, re.DOTALL)
    if bracketed:
        name, port = bracketed.groups()
        if ":" not in name:
            raise ValueError("brackets are for IPv6 addresses, as in [::1]")
        return name, None if port is None else parse_port(port)
    name, colon, port = text.partition(":")
    if ":" in port:
        raise ValueError("an IPv6 address stands in brackets, as in [::1] or [::1]:8080")
    return name, parse_port(port) if colon else None


def parse_port(text: str) -> int:
    """Read a port; raises `ValueError`."""
    if re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) <= MAX_PORT:
        return int(text)
    raise ValueError(f"{text!r} is no port; write a number from 1 to {MAX_PORT}")


def host_name(text: str) -> str:
    """Give a host's name or address in its one form; raises `ValueError`.

    An address that is no plain one (``127.1``, ``0x7f.0.0.1``) is refused: two programs could
    take it for two hosts.
    """
    name = text.lower()
    if ":" in name or _NUMBER.fullmatch(name.rpartition(".")[2]):
        if "%" in name:
            raise ValueError("an address names no network interface")
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            raise ValueError(f"{text!r} is no address; write all of it, as in 127.0.0.1") from None
    if not name.isascii():
        raise ValueError(f"{text!r} is not plain ASCII; write the name in its xn-- form")
    if "*" in name:
        raise ValueError("`*` stands for names below a domain only, as in *.example.com")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, name.split("."))):
        raise ValueError(f"{text!r} is no host name")
    return name


def is_address(name: str) -> bool:
    """Tell whether a name as `host_name` gives it is an address."""
    return ":" in name or name.rpartition(".")[2].isdecimal()
