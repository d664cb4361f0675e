"""Events over real HTTP: resumed, filtered, bounded, and ended."""

import asyncio
import gc
import json
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from optifire.api.feed import Feed, Terms
from optifire.api.stream import Asked, frames
from optifire.api.tail import Event, EventKind, Wanted
from optifire.core.access import Role
from optifire.runtime.clock import real_pause

BEGINNING = "abc.0"


class Client:
    """An independent reader of Server-Sent Events, as WHATWG HTML 9.2.6 has it."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.last_id = ""
        self.comments = 0
        self.writer: asyncio.StreamWriter | None = None

    async def open(self, query: str = "", *, token: str | Role = Role.VIEWER) -> int:
        """Ask for the stream and give the status; with the last id that was seen."""
        await self.close()
        text = self.site.texts[token] if isinstance(token, Role) else token
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.site.port)
        lines = [f"GET /events{query} HTTP/1.1", "Host: h", f"Authorization: Bearer {text}"]
        lines += [f"Last-Event-ID: {self.last_id}"] if self.last_id else []
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        return int(self.head.split()[1])

    async def events(self) -> AsyncGenerator[dict[str, Any]]:
        """Give each event until the stream ends; the id moves with frames that are no events."""
        kind, data, last_id = "message", "", self.last_id
        async for line in self._lines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                self.last_id = last_id
                if data:
                    yield {"id": last_id, "event": kind, **json.loads(data)}
                kind, data = "message", ""
            elif not name:
                self.comments += 1
            elif name == "data":
                data += value
            elif name == "event":
                kind = value
            elif name == "id":
                last_id = value

    async def _lines(self) -> AsyncGenerator[str]:
        """Take the chunks apart (RFC 9112, 7.1)."""
        rest = b""
        while size := int(await self.reader.readline(), 16):
            rest += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield line.decode()

    async def take(self, count: int) -> list[dict[str, Any]]:
        """Give so many events."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20), aclosing(self.events()) as events:
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
        return found

    async def close(self) -> None:
        """Leave without a word."""
        if self.writer is not None:
            self.writer.transport.abort()
            with suppress(ConnectionError):
                await self.writer.wait_closed()


@pytest.fixture
async def client(site: Any) -> AsyncIterator[Client]:
    made = Client(site)
    yield made
    await made.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await real_pause(0.005)


def grow(site: Any, count: int, size: int = 0) -> None:
    site.history.grow(count, size)
    site.feed.committed()


async def test_a_client_is_told_what_comes_after_it_has_come(site: Any, client: Client) -> None:
    site.history.grow(5)
    assert await client.open() == 200
    assert "content-type: text/event-stream" in client.head
    assert "cache-control: no-store" in client.head
    assert "etag" not in client.head
    await until(lambda: site.history.pages)
    grow(site, 2)
    found = await client.take(2)
    assert [(each["id"], each["event"], each["n"]) for each in found] == [
        ("abc.6", "run", 6),
        ("abc.7", "run", 7),
    ]


@pytest.mark.row("O046")
async def test_a_client_that_comes_back_100_times_misses_and_repeats_nothing(
    site: Any, client: Client
) -> None:
    client.last_id, seen = BEGINNING, []
    for turn in range(100):
        grow(site, 1 + turn % 7)
        assert await client.open() == 200
        seen += [each["n"] for each in await client.take(1 + turn % 3)]
        grow(site, turn % 5)
        await client.close()
    assert await client.open() == 200
    seen += [each["n"] for each in await client.take(len(site.history.events) - len(seen))]
    assert seen == list(range(1, len(site.history.events) + 1))


@tried(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 600), st.integers(1, 5)), min_size=1, max_size=12),
    behind=st.integers(0, 3000),
)
async def test_however_it_is_cut_every_event_is_told_once_in_its_order(
    histories: Any, steps: list[tuple[int, int]], behind: int
) -> None:
    history = histories()
    history.grow(behind)
    feed = Feed(history.use, real_pause, Terms(rest=0.0))
    at, seen = BEGINNING, list[int]()
    for count, parts in [*steps, (1, 10_000)]:
        history.grow(count)
        feed.committed()
        async with aclosing(frames(feed, Asked("one", at, Wanted(), lambda: True))) as stream:
            for _ in range(parts):
                text = (await anext(stream)).decode()
                places = [line[4:] for line in text.splitlines() if line.startswith("id: ")]
                at = places[-1]
                seen += [
                    json.loads(line[6:])["n"]
                    for line in text.splitlines()
                    if line.startswith("data: ")
                ]
                if at == f"abc.{len(history.events)}":
                    break
    assert seen == list(range(1, len(history.events) + 1))
    assert history.open == 0


async def test_what_is_not_wanted_is_passed_over_and_not_looked_at_again(
    site: Any, client: Client
) -> None:
    site.history.grow(9)
    client.last_id = BEGINNING
    await client.open("?plugin=p1&plugin=p2&status=succeeded&kind=run")
    assert [each["n"] for each in await client.take(3)] == [2, 4, 8]
    client.last_id = BEGINNING
    await client.open("?kind=note")
    reading = asyncio.create_task(client.take(1))
    await until(lambda: client.last_id == "abc.9")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize("query", ["?kind=everything", "?status=fine"])
async def test_a_condition_that_cannot_be_is_refused(site: Any, client: Client, query: str) -> None:
    assert await client.open(query) == 400


@pytest.mark.parametrize(
    ("last_id", "why", "next_"),
    [
        ("abc.2", "no longer kept", 6),
        ("abc.99", "no such event yet", 11),
        ("def.7", "another ledger", 11),
        ("nonsense", "no id of an event", 11),
        ("abc.7.t2", "no id of an event", 11),
    ],
)
async def test_who_asks_for_what_is_not_there_is_told_so_first(
    site: Any, client: Client, last_id: str, why: str, next_: int
) -> None:
    site.history.grow(10)
    site.history.first = 6
    client.last_id = last_id
    await client.open()
    first = (await client.take(1))[0]
    assert (first["event"], first["asked"]) == ("gap", last_id)
    assert why in first["reason"]
    assert first["id"] == f"abc.{next_ - 1}"
    grow(site, 1)
    await client.close()
    await client.open()
    assert (await client.take(1))[0]["n"] == next_


async def test_what_retention_removed_in_between_is_said_where_it_was(
    site: Any, client: Client
) -> None:
    site.history.grow(6)
    site.history.events[1:4] = [Event(seq, EventKind.GAP) for seq in (2, 3, 4)]
    client.last_id = BEGINNING
    await client.open("?plugin=p2")
    found = await client.take(2)
    assert [(each["id"], each["event"]) for each in found] == [("abc.4", "gap"), ("abc.5", "run")]
    assert "3 events" in found[0]["reason"]


@pytest.mark.parametrize("following", [Terms(heartbeat=0.01)])
async def test_a_quiet_stream_gives_signs_of_life(
    site: Any, client: Client, following: Terms
) -> None:
    await client.open()
    reading = asyncio.create_task(client.take(1))
    await until(lambda: client.comments > 2)
    grow(site, 1)
    assert [each["n"] for each in await reading] == [1]


@pytest.mark.parametrize("following", [Terms(heartbeat=0.01)])
async def test_a_stream_ends_when_its_token_is_revoked(
    site: Any, client: Client, following: Terms
) -> None:
    created = site.tokens.all()[0].created_at
    token, text = site.tokens.create("soon gone", Role.VIEWER, created)
    assert await client.open(token=text) == 200
    reading = asyncio.create_task(client.take(1))
    await until(lambda: client.comments)
    site.tokens.revoke(token.id, created)
    assert await reading == []
    assert await client.open(token=text) == 401


async def test_what_was_changed_over_the_api_is_told_to_admins_alone(
    site: Any, client: Client
) -> None:
    secret = Event(1, EventKind.NOTE, None, None, b'{"n": 1}', guarded=True)
    site.history.events.append(secret)
    site.history.grow(1)
    seen = {}
    for role in (Role.OPERATOR, Role.ADMIN):
        client.last_id = BEGINNING
        await client.open(token=role)
        seen[role] = (await client.take(1))[0]["n"]
        await client.close()
    assert seen == {Role.OPERATOR: 2, Role.ADMIN: 1}


@pytest.mark.parametrize("following", [Terms(most=2)])
async def test_more_clients_than_there_may_be_are_sent_away_until_one_leaves(
    site: Any, following: Terms
) -> None:
    clients = [Client(site) for _ in range(3)]
    assert [await each.open() for each in clients] == [200, 200, 503]
    assert (await site.ask("/status")).status == 200
    await clients[0].close()
    await until(lambda: site.feed.clients == 1)
    assert await clients[2].open() == 200
    for each in clients:
        await each.close()
    await until(lambda: site.feed.clients == 0)
    assert (site.history.opened, site.history.open) == (1, 0)


@pytest.mark.parametrize("following", [Terms(most=4, each=2)])
async def test_one_token_leaves_places_for_others_and_is_told_what_to_do(
    site: Any, following: Terms
) -> None:
    clients = [Client(site) for _ in range(3)]
    assert [await each.open(token=Role.VIEWER) for each in clients] == [200, 200, 429]
    refused = (await site.ask("/events", token=Role.VIEWER)).json
    assert refused["detail"] == "this token follows with 2 streams already"
    assert "End one of them" in refused["remedy"]
    another = Client(site)
    assert await another.open(token=Role.OPERATOR) == 200
    await clients[0].close()
    await until(lambda: site.feed.clients == 2)
    assert await clients[2].open(token=Role.VIEWER) == 200
    for each in (*clients, another):
        await each.close()
    await until(lambda: not site.feed.followers)


@pytest.mark.row("O046")
@pytest.mark.parametrize("following", [Terms(patience=0.2, rest=0.001)])
async def test_a_client_that_never_reads_is_dropped_and_hurts_nobody(
    site: Any, client: Client, following: Terms, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", site.port))
        token = site.texts[Role.VIEWER]
        stuck.sendall(
            f"GET /events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        await client.open()
        reading = asyncio.create_task(client.take(40_000))
        await until(lambda: site.feed.clients == 2 and site.history.pages)
        (kept,) = sockets_of(stuck.getsockname())
        with caplog.at_level(logging.WARNING):
            for _ in range(400):
                grow(site, 100, size=500)
                await real_pause(0)
            assert [each["n"] for each in await reading] == list(range(1, 40_001))
            await until(lambda: site.feed.clients == 1)
        await until(lambda: kept.fileno() == -1)
    assert [each.message for each in caplog.records] == [
        "a client of /events took nothing for 0.2 s and is dropped"
    ]


def sockets_of(peer: object) -> list[Any]:
    """Give the server's sockets of a client."""
    found = [each for each in gc.get_objects() if isinstance(each, asyncio.Transport)]
    return [
        each.get_extra_info("socket") for each in found if each.get_extra_info("peername") == peer
    ]


async def test_streams_end_at_once_when_the_service_does(site: Any) -> None:
    async with AsyncExitStack() as resources:
        clients = [Client(site) for _ in range(3)]
        for each in clients:
            await each.open()
            resources.push_async_callback(each.close)
        site.feed.close()
        async with asyncio.timeout(5):
            assert [await each.take(1) for each in clients] == [[], [], []]
        assert (await site.ask("/events")).status == 503
