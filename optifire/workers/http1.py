"""One HTTP/1.1 request and its answer (RFC 9112), within limits and without any state between."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from optifire.core.errors import ProviderDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes of status line and header fields, and of the content, that are taken from a host.
MAX_HEAD: Final = 64 << 10
MAX_CONTENT: Final = 10 << 20
#: Answers of the kind "go on" before the real one, and lines after the last chunk.
_MOST_INTERIM: Final = 8
_MOST_TRAILERS: Final = 64
_END_OF_HEAD: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_OK: Final = 200
_SWITCHING: Final = 101
#: Statuses whose answers have no content.
_EMPTY: Final = frozenset({204, 304})

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to connect to: an address, and the name that a certificate must be for (TLS)."""

    address: str
    port: int
    name: str
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to the host of that name, for one request."""

    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    fields: Fields
    content: bytes

    def field(self, name: str) -> str | None:
        """Give the first header field of that name, in lower case."""
        return next((value for key, value in self.fields if key.lower() == name), None)


async def connect(peer: Peer, seconds: float) -> Connection:
    """Connect within that many seconds; raises `OSError`, of which `ssl.SSLError` is one."""
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(
            peer.address,
            peer.port,
            ssl=peer.tls,
            server_hostname=peer.name if peer.tls else None,
            limit=MAX_HEAD,
        )
    return Connection(peer.name, reader, writer)


async def exchange(connection: Connection, head: bytes, body: bytes) -> Answer:
    """Send a request, give the answer, and close the connection.

    Raises
    ------
    OSError
        The connection broke.
    ProviderDataError
        What came is no HTTP, or too large.
    """
    peer, reader, writer = connection, connection.reader, connection.writer
    try:
        writer.write(head)
        writer.write(body)
        await writer.drain()
        return await read_answer(reader, peer.name)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the connection was closed within the answer") from error
    except asyncio.LimitOverrunError as error:
        raise _bad(peer.name, f"its header is longer than {MAX_HEAD >> 10} KB") from error
    finally:
        writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader, name: str) -> Answer:
    """Read one answer, without interim ones before it; raises as `exchange`, or as asyncio does."""
    for _ in range(_MOST_INTERIM):
        status, fields = parse_head(await reader.readuntil(_END_OF_HEAD), name)
        if status >= _OK:
            return Answer(status, fields, await _content(reader, status, fields, name))
        if status == _SWITCHING:
            break
    raise _bad(name, "it changes the protocol, or never comes to an answer")


def parse_head(head: bytes, name: str) -> tuple[int, Fields]:
    """Read status line and header fields; raises `ProviderDataError`."""
    first, *lines = head.removesuffix(_END_OF_HEAD).split(b"\r\n")
    status = _STATUS.fullmatch(first)
    found = [_FIELD.fullmatch(line) for line in lines]
    if status is None or not all(found):
        raise _bad(name, "it does not begin as an answer of HTTP/1.1")
    fields = ((each[1].decode("ascii"), each[2].decode("latin-1")) for each in found if each)
    return int(status[1]), tuple(fields)


async def _content(reader: asyncio.StreamReader, status: int, fields: Fields, name: str) -> bytes:
    if status in _EMPTY:
        return b""
    coding = _values(fields, "transfer-encoding")
    if coding:
        if coding != ["chunked"]:
            raise _bad(name, f"its transfer coding is {', '.join(coding)}")
        return await _chunks(reader, name)
    lengths = set(_values(fields, "content-length"))
    if not lengths:
        return await _until_closed(reader, name)
    length = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,15}", length):
        raise _bad(name, "it does not say how long it is")
    if int(length) > MAX_CONTENT:
        raise _too_large(name)
    return await reader.readexactly(int(length))


def _values(fields: Fields, wanted: str) -> list[str]:
    said = [value for key, value in fields if key.lower() == wanted]
    return [each.strip().lower() for value in said for each in value.split(",")]


async def _until_closed(reader: asyncio.StreamReader, name: str) -> bytes:
    content = bytearray()
    while part := await reader.read(MAX_HEAD):
        content += part
        if len(content) > MAX_CONTENT:
            raise _too_large(name)
    return bytes(content)


async def _chunks(reader: asyncio.StreamReader, name: str) -> bytes:
    content = bytearray()
    while True:
        said = _CHUNK.fullmatch(await reader.readuntil(b"\r\n"))
        if said is None:
            raise _bad(name, "one of its chunks has no length")
        size = int(said[1], 16)
        if size == 0:
            break
        if len(content) + size > MAX_CONTENT:
            raise _too_large(name)
        content += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise _bad(name, "one of its chunks has another length than it says")
    for _ in range(_MOST_TRAILERS):
        if await reader.readuntil(b"\r\n") == b"\r\n":
            return bytes(content)
    raise _bad(name, "it does not end")


def request_head(method: str, target: str, fields: Sequence[tuple[str, str]]) -> bytes:
    """Give request line and header fields as they are sent; all of it is checked before."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _bad(name: str, why: str) -> ProviderDataError:
    return ProviderDataError(f"what {name} answers cannot be read: {why}", where="context.http")


def _too_large(name: str) -> ProviderDataError:
    return ProviderDataError(
        f"{name} answers with more than {MAX_CONTENT >> 20} MB",
        where="context.http",
        remedy="Ask for less at once",
    )
