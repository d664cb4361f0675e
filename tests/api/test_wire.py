"""Requests as bytes: what is no HTTP/1.1, and what is too long, is refused and costs no memory."""

import asyncio
import re
from typing import Any

import pytest

from optifire.api import server
from optifire.api.wire import LONGEST_HEAD, LONGEST_REQUEST, PIECE, Joined
from optifire.core.access import Role

HOST = b"Host: here\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST
CHUNKED = b"POST /pause HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
#: One byte more than a head may have, without the line feeds of its end.
PAD = b"a" * LONGEST_HEAD
ENDLESS = LONGEST_REQUEST + 2 * PIECE


async def answers(site: Any, sent: bytes, *, pieces: int = 1) -> bytes:
    """Give all that comes back until the server closes; the client sends and waits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        size = max(1, -(-len(sent) // pieces))
        for at in range(0, len(sent), size):
            writer.write(sent[at : at + size])
            await writer.drain()
        return await reader.read()
    except ConnectionError:  # it was closed while more was on its way
        return b""
    finally:
        writer.transport.abort()


def last(head: bytes) -> bytes:
    """Give a request after which the server closes."""
    return head + b"Connection: close\r\n\r\n"


def statuses(said: bytes) -> list[bytes]:
    """Give the statuses of all answers in what came back."""
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", said)


@pytest.mark.parametrize("pieces", [1, 7, 50])
async def test_a_long_head_is_read_however_it_comes(site: Any, pieces: int) -> None:
    head = GET + b"X-Long: " + PAD[: LONGEST_HEAD - 2 * PIECE] + b"\r\n"
    assert statuses(await answers(site, last(head), pieces=pieces)) == [b"200"]


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(last(GET + b"X-Long: " + PAD + b"a" * PIECE + b"\r\n"), id="a header"),
        pytest.param(last(b"GET /" + PAD + b"a" * PIECE + b" HTTP/1.1\r\n" + HOST), id="a path"),
        pytest.param(last(GET + b"X: 1\r\n" * (LONGEST_HEAD // 5)), id="many headers"),
        pytest.param(GET + b"X-Long: " + PAD + b"a" * PIECE, id="a header without an end"),
        pytest.param(GET + b"X" + PAD + b"a" * PIECE, id="a name without an end"),
        pytest.param(GET + b"X: 1\r\n" * (LONGEST_HEAD // 5), id="headers without an end"),
    ],
)
async def test_a_head_that_is_too_long_is_refused(site: Any, sent: bytes, pieces: int) -> None:
    assert statuses(await answers(site, sent, pieces=pieces)) in ([b"400"], []), "refused or cut"
    assert statuses(await answers(site, last(GET))) == [b"200"], "others are served"


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(b"0\r\n" + b"X: 1\r\n" * (ENDLESS // 6), id="fields behind the body"),
        pytest.param(b"0\r\nX: " + b"a" * ENDLESS, id="one field behind the body"),
        pytest.param(b"1;" + b"a" * ENDLESS, id="an extension of a chunk"),
        pytest.param(b"1\r\na\r\n" * (ENDLESS // 6), id="chunks"),
        pytest.param(b"\r\n" * ENDLESS, id="empty lines"),
    ],
)
async def test_what_is_sent_around_a_body_ends_somewhere(site: Any, after: bytes) -> None:
    async with asyncio.timeout(10):
        said = await answers(site, CHUNKED + b"\r\n" + after)
    assert b"200" not in statuses(said)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"nonsense\r\n", id="nonsense"),
        pytest.param(b"GET /health HTTP/1.1\r\n", id="no host"),
        pytest.param(GET + HOST, id="two hosts"),
        pytest.param(b"GET /health HTTP/2.0\r\n" + HOST, id="HTTP/2"),
        pytest.param(b"GET /health HTTP/0.9\r\n" + HOST, id="HTTP/0.9"),
        pytest.param(GET + b"X : 1\r\n", id="a space behind a name"),
        pytest.param(GET + b"X: a\x00b\r\n", id="a zero in a value"),
        pytest.param(GET + b"X: 1\r\n folded\r\n", id="a folded header"),
        pytest.param(b"GET /he\x01alth HTTP/1.1\r\n" + HOST, id="a control in a path"),
        pytest.param(CHUNKED + b"Content-Length: 3\r\n", id="two lengths"),
        pytest.param(GET + b"Content-Length: 3\r\nContent-Length: 4\r\n", id="lengths that differ"),
        pytest.param(GET + b"Content-Length: -1\r\n", id="a negative length"),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(
    site: Any, head: bytes
) -> None:
    said = await answers(site, head + b"\r\n")
    assert statuses(said) == [b"400"]
    assert b"connection: close" in said.lower()
    assert site.desk.said == []


async def test_a_request_of_version_1_0_needs_no_host(site: Any) -> None:
    assert statuses(await answers(site, b"GET /health HTTP/1.0\r\n\r\n")) == [b"200"]


async def test_fields_behind_a_body_are_no_headers(site: Any) -> None:
    token = site.texts[Role.ADMIN].encode()
    head = CHUNKED + b"Connection: close\r\n\r\n"
    said = await answers(site, head + b"0\r\nAuthorization: Bearer " + token + b"\r\n\r\n")
    assert statuses(said) == [b"401"]
    assert site.desk.said == []


@pytest.mark.parametrize("pieces", [1, 5])
async def test_requests_sent_at_once_are_answered_in_their_order(site: Any, pieces: int) -> None:
    token = b"Authorization: Bearer " + site.texts[Role.VIEWER].encode() + b"\r\n"
    one = b"GET /status HTTP/1.1\r\n" + HOST + token + b"\r\n"
    body = b"POST /pause HTTP/1.1\r\n" + HOST + token + b"Content-Length: 2\r\n\r\n{}"
    many = one + body + b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n" + last(GET)
    said = await answers(site, many, pieces=pieces)
    assert statuses(said) == [b"200", b"403", b"404", b"200"]


async def test_who_wants_another_protocol_is_answered_in_this_one(site: Any) -> None:
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert statuses(await answers(site, GET + upgrade)) == [b"200"]


async def test_head_and_body_of_an_answer_are_sent_at_once(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    own: Any = type(writer.transport)  # of the server's end as well
    write = own.write

    def watched(self: Any, data: bytes) -> None:
        sent.append(data)
        write(self, data)

    monkeypatch.setattr(own, "write", watched)
    said = await answers(site, last(GET))
    assert statuses(said) == [b"200"]
    assert sent == [last(GET), said]
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GET + b"X: 1", id="half a head"),
        pytest.param(GET + b"\r\n\r\n", id="an empty line behind a request"),
    ],
)
async def test_who_says_nothing_gives_its_place_back(
    site: Any, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TICK", 0.01)
    token = f"Authorization: Bearer {site.texts[Role.VIEWER]}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /events HTTP/1.1\r\n" + HOST + token + b"\r\n")
    await reader.readuntil(b"id: ")
    async with asyncio.timeout(10):
        said = await answers(site, sent)
    assert statuses(said) == ([b"200"] if sent.endswith(b"\r\n\r\n") else [])
    assert site.feed.clients == 1, "a stream goes on"
    site.history.grow(1)
    site.feed.committed()
    assert b"event: run" in await reader.readuntil(b"data: ")
    writer.transport.abort()


class Sink:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.did: list[object] = []

    def write(self, data: bytes) -> None:
        self.did.append(data)

    def close(self) -> None:
        self.did.append("closed")


def test_what_was_kept_is_sent_before_the_end() -> None:
    sink: Any = Sink()
    joined = Joined(sink)
    joined.write(b"1")
    joined.hold()
    joined.write(b"2")
    joined.write(b"3")
    assert sink.did == [b"1"]
    joined.close()
    joined.write(b"4")
    assert sink.did == [b"1", b"23", "closed", b"4"]
