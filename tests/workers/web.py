"""A small server on the loopback, whose answers are given as bytes."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from optifire.core.calendar import AlwaysOpen
from optifire.core.job import Code, Job
from optifire.core.permissions import parse_grants
from optifire.core.schedule import Schedule
from optifire.core.types import PluginId
from optifire.sdk.http import Call, Response
from optifire.workers.outward import Outward

if TYPE_CHECKING:
    import ssl

Handler = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Web:
    """What the server was asked, and what it answers by path: bytes as they are, or a function."""

    port: int = 0
    answers: dict[str, bytes | Handler] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    readers: list[asyncio.StreamReader] = field(default_factory=list)
    #: Set when something was asked that is answered late.
    late: asyncio.Event = field(default_factory=asyncio.Event)
    open: int = 0
    most_open: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.readers.append(reader)
        self.most_open = max(self.open, self.most_open)
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            answer = self.answers.get(asked.path.partition("?")[0], reply(b"none", status=404))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(asked, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # who asked has gone, as some tests want
        finally:
            self.open -= 1
            writer.close()


def reply(body: bytes = b"", *fields: str, status: int = 200) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def moved(location: str, status: int = 302) -> bytes:
    return reply(b"", f"Location: {location}", status=status)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    web = Web()
    server = await asyncio.start_server(web.handle, "127.0.0.1", 0, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    async with server:
        yield web


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate of its own authority for a name; gives the file of it and its key."""
    file = folder / f"{name}.pem"
    command: Sequence[str] = (
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
        "-keyout", str(file), "-out", f"{file}.crt",
    )  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def job(*granted: str) -> Job:
    schedule = Schedule((), AlwaysOpen(), "UTC")
    grants = parse_grants([f"network:{each}" for each in granted], where="")
    return Job(PluginId("a"), "1", "infra", schedule, Code("/a", "", ""), grants=grants)


async def get(web: Web, url: str = "", *granted: str, timeout: float = 10.0) -> Response:  # noqa: ASYNC109
    return await Outward().fetch(
        Call("GET", url or web.url(), timeout=timeout), job(*(granted or (web.host,)))
    )
