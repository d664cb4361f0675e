"""What hosts may send: every form of HTTP, no HTTP at all, too much, nothing, and too late."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optifire.core.errors import ContractError, ProviderConnectionError, ProviderDataError
from optifire.workers.http1 import MAX_CONTENT, MAX_HEAD, read_answer
from optifire.workers.targets import redirected, target_of
from tests.workers.web import Asked, Web, get, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as found:
        yield found


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKS = b"3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\nX-After: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "content"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200\r\nContent-Length: 2\r\n\r\nokmore", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n", b""),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS,
            b"abc0123456789",
        ),
    ],
)
async def test_content_comes_in_every_form_of_http(web: Web, said: bytes, content: bytes) -> None:
    web.answers["/"] = said
    assert (await get(web)).content == content


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"hello there\r\n\r\n", "does not begin"),
        (b"HTTP/2 200 OK\r\n\r\n", "does not begin"),
        (HEAD + b"no colon\r\n\r\n", "does not begin"),
        (HEAD + b"X: a\r\n folded\r\n\r\n", "does not begin"),
        (HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "header is longer"),
        (HEAD + b"Content-Length: 1, 2\r\n\r\nab", "how long"),
        (HEAD + b"Content-Length: -1\r\n\r\n", "how long"),
        (HEAD + f"Content-Length: {MAX_CONTENT + 1}\r\n\r\n".encode(), "more than 10 MB"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "transfer coding"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "no length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "another length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", "more than 10 MB"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 65, "does not end"),
        (b"HTTP/1.1 101 Go\r\n\r\n", "changes the protocol"),
        (b"HTTP/1.1 100 Go\r\n\r\n" * 9, "never comes"),
    ],
)
async def test_an_answer_that_is_no_http_or_too_large_is_refused(
    web: Web, said: bytes, why: str
) -> None:
    web.answers["/"] = said
    with pytest.raises(ProviderDataError, match=why):
        await get(web)


ODD = st.sampled_from(
    [b"HTTP/1.1 ", b"200", b" ", b"\r\n", b"\r\n\r\n", b"Content-Length:", b"Transfer-Encoding:",
     b"chunked", b"5", b"0", b"-1", b"FFFFFFFF", b"abc", b"\xff\x00", HEAD]
)  # fmt: skip


@given(st.lists(ODD | st.binary(max_size=8), max_size=20).map(b"".join))
def test_whatever_a_host_sends_ends_in_an_answer_or_a_known_error(said: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader(limit=MAX_HEAD)
        reader.feed_data(said)
        reader.feed_eof()
        with suppress(ProviderDataError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            answer = await read_answer(reader, "a")
            assert len(answer.content) <= len(said)

    asyncio.run(read())


@given(st.text("abc019.:/?#[]@%-x\\ *\u00fc", max_size=24))
def test_any_text_is_a_place_that_is_read_again_the_same_or_a_known_error(text: str) -> None:
    with suppress(ContractError):
        target = target_of(f"http://{text}")
        assert target_of(target.url) == target
    with suppress(ProviderDataError):
        redirected(target_of("http://a.example/b"), text)


async def test_an_endless_answer_is_cut_at_the_limit(web: Web) -> None:
    async def endless(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    web.answers["/"] = endless
    with pytest.raises(ProviderDataError, match="more than 10 MB"):
        await get(web)


@pytest.mark.parametrize("said", [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\nshort"])
async def test_a_connection_that_ends_early_is_worth_another_try(web: Web, said: bytes) -> None:
    web.answers["/"] = said
    with pytest.raises(ProviderConnectionError, match="cannot be reached") as raised:
        await get(web)
    assert raised.value.retryable


async def test_a_host_that_never_answers_is_given_up_in_time(web: Web) -> None:
    gone = asyncio.Event()

    async def silent(_: Asked, __: asyncio.StreamWriter) -> None:
        await gone.wait()

    web.answers["/"] = silent
    with pytest.raises(ProviderConnectionError, match=r"no answer within 0\.2 s"):
        await get(web, timeout=0.2)
    gone.set()
