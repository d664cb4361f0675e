"""What a plugin may touch beside what its context gives it: permissions as words and as a value.

A plugin declares permissions in its metadata, and the operator grants them in features.yaml; what
holds is what both say (`common`). The words:

``network:<host>``, ``network:<host>:<port>``
    The service fetches from this host for the plugin (``context.http``), on any port or on one.
    ``*.example.com`` means all names below it. The plugin itself gets no socket by this.
``network:<port>``
    The plugin may itself connect by TCP to this port, of whatever host: that is all the kernel can
    tell apart.
``fs:read:<path>``, ``fs:write:<path>``
    A file, or a folder with all below it. Writing includes reading.
``secrets:<name>``, ``subprocess``, ``trade``
    One secret; other programs; orders.

Paths are absolute and stand as they are: ``~``, ``.``, ``..`` and patterns are refused, and so is
``/``. Links are not followed: a plugin that may write a folder could lead a grant of something in
it anywhere. Who opens a granted path therefore checks what it opened, not what it meant to open
(``/proc/self/fd/N`` names it), and a path that leads elsewhere grants nothing.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ConfigError
from optifire.core.hosts import HostPattern, parse_host, parse_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: Every form of a permission, as a message offers it.
FORMS: Final = (
    "network:<host>", "network:<host>:<port>", "network:<port>", "fs:read:<path>",
    "fs:write:<path>", "secrets:<name>", "subprocess", "trade",
)  # fmt: skip
_KINDS: Final = ("network", "fs:read", "fs:write", "secrets", "subprocess", "trade")
#: What people write for these.
_SLIPS: Final[Mapping[str, str]] = {
    "net": "network", "http": "network", "https": "network", "host": "network", "port": "network",
    "read": "fs:read", "write": "fs:write", "fs": "fs:read", "file": "fs:read",
    "exec": "subprocess", "process": "subprocess", "orders": "trade",
}  # fmt: skip
_SECRET: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Grants:
    """What is granted, each tuple sorted and without repetition; the default is nothing.

    Attributes
    ----------
    read, write
        Absolute paths: files, or folders with all below them. `write` includes reading.
    ports
        TCP ports that the plugin may itself connect to.
    hosts
        Patterns (see `optifire.core.hosts`) that the service fetches from for it.
    subprocess
        Whether it may start other programs.
    secrets
        Names of secrets that it is told.
    trade
        Whether it may place orders.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    hosts: tuple[str, ...] = ()
    subprocess: bool = False
    secrets: tuple[str, ...] = ()
    trade: bool = False

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def words(self) -> tuple[str, ...]:
        """The permissions that `parse_grants` reads as this."""
        return (
            *(f"network:{host}" for host in self.hosts),
            *(f"network:{port}" for port in self.ports),
            *(f"fs:read:{path}" for path in self.read),
            *(f"fs:write:{path}" for path in self.write),
            *(f"secrets:{name}" for name in self.secrets),
            *(("subprocess",) if self.subprocess else ()),
            *(("trade",) if self.trade else ()),
        )

    def allows_host(self, name: str, port: int) -> bool:
        """Tell whether the service fetches from a host, named as `host_name` gives it."""
        return any(parse_host(host).covers(name, port) for host in self.hosts)


NOTHING: Final = Grants()


def parse_grants(permissions: Sequence[str], *, where: str) -> Grants:
    """Read permissions.

    Raises
    ------
    ConfigError
        A word does not parse; the error names the place, the word and what is near it.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    ports: set[int] = set()
    for word in permissions:
        kind, rest = _kind_of(word, where)
        try:
            if kind == "network" and rest.isdecimal():
                ports.add(parse_port(rest))
            else:
                found[kind].append(_READERS[kind](rest))
        except ValueError as error:
            message = f"the permission {word!r} is none: {error}"
            raise ConfigError(message, where=where, remedy=f"Write {_form_of(kind)}") from error
    return Grants(
        read=_tidy(found["fs:read"]),
        write=_tidy(found["fs:write"]),
        ports=tuple(sorted(ports)),
        hosts=_tidy(found["network"]),
        subprocess=bool(found["subprocess"]),
        secrets=_tidy(found["secrets"]),
        trade=bool(found["trade"]),
    )


def _kind_of(word: object, where: str) -> tuple[str, str]:
    """Give the kind of a permission and what follows it."""
    if isinstance(word, str):
        for kind in _KINDS:
            if word == kind or word.startswith(f"{kind}:"):
                return kind, word.removeprefix(kind).removeprefix(":")
    raise ConfigError(f"{word!r} is not a permission", where=where, remedy=_offer(str(word)))


def _offer(word: str) -> str:
    """Offer what is near a word that is no permission."""
    head = word.strip().lower()
    near = [*difflib.get_close_matches(head, _KINDS, n=1, cutoff=0.7)]
    while head and not near:
        near = [_SLIPS[head]] if head in _SLIPS else difflib.get_close_matches(head, _KINDS, n=1)
        head = head.rpartition(":")[0]
    if near:
        return f"Did you mean {_form_of(near[0])}?"
    return f"Permissions are {', '.join(FORMS)}"


def _form_of(kind: str) -> str:
    return " or ".join(form for form in FORMS if form == kind or form.startswith(f"{kind}:"))


def _nothing_more(rest: str) -> str:
    if rest:
        raise ValueError("nothing follows it")
    return rest


def _path(text: str) -> str:
    """Give a path as it is granted; raises `ValueError`."""
    if not text.startswith("/"):
        raise ValueError("a path is absolute, and neither ~ nor a variable is filled in")
    if text != str(PurePosixPath(text)) or text.startswith("//") or ".." in text.split("/"):
        raise ValueError("a path stands as it is, without '.', '..', '//' or '/' at its end")
    if text == "/":
        raise ValueError("'/' would be everything")
    if "*" in text or not text.isprintable():
        raise ValueError("a path has no patterns (a folder means all below it)")
    return text


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("a secret's name has letters, digits and _ . -, and begins with a letter")
    return text


_READERS: Final[Mapping[str, Callable[[str], str]]] = {
    "network": lambda text: str(parse_host(text)),
    "fs:read": _path,
    "fs:write": _path,
    "secrets": _secret,
    "subprocess": _nothing_more,
    "trade": _nothing_more,
}


def common(one: Grants, other: Grants) -> Grants:
    """Give what both grant: of two paths or hosts the narrower, where one lies within the other."""
    hosts = [
        found
        for mine in map(parse_host, one.hosts)
        for theirs in map(parse_host, other.hosts)
        if (found := mine.common(theirs)) is not None
    ]
    return Grants(
        read=_tidy(_inner(one.read, other.read)),
        write=_tidy(_inner(one.write, other.write)),
        ports=tuple(sorted({*one.ports} & {*other.ports})),
        hosts=_tidy(map(str, _widest(hosts))),
        subprocess=one.subprocess and other.subprocess,
        secrets=_tidy({*one.secrets} & {*other.secrets}),
        trade=one.trade and other.trade,
    )


def within(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies below it; both absolute and normal."""
    return path == folder or path.startswith(f"{folder}/")


def _inner(some: Sequence[str], others: Sequence[str]) -> Iterable[str]:
    for one in some:
        for other in others:
            if within(one, other):
                yield one
            elif within(other, one):
                yield other


def _widest(hosts: Sequence[HostPattern]) -> Iterable[HostPattern]:
    """Leave out what another pattern means too."""
    return (
        host
        for host in hosts
        if not any(host != other and host.common(other) == host for other in hosts)
    )


def _tidy(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(found)))
