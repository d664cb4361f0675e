"""Fetching for plugins: what is granted, what is refused, and what hosts may do to the service."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from typing import TYPE_CHECKING

import pytest

from optifire.core.errors import (
    ContractError,
    ProviderConnectionError,
    ProviderDataError,
    SecurityError,
)
from optifire.sdk.http import Call
from optifire.workers.outward import MOST_AT_ONCE, Outward
from optifire.workers.targets import is_public, target_of
from tests.workers.web import Asked, Web, certificate, get, job, moved, reply, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as found:
        yield found


def leading(*addresses: str) -> Outward:
    """Give one for which every name leads to these addresses."""

    async def lookup(_: str, __: int) -> Sequence[str]:
        return addresses

    return Outward(lookup)


# --- what is granted --------------------------------------------------------------------------


async def test_a_granted_host_is_asked_and_its_answer_given(web: Web) -> None:
    web.answers["/prices"] = reply(b"42", "X-Left: 7", "x-left: 8", status=203)
    answer = await get(web, web.url("/prices?day=1#top"))
    assert (answer.status, answer.text) == (203, "42")
    assert answer.headers["X-LEFT"] == "7, 8"
    (asked,) = web.asked
    assert (asked.method, asked.path, asked.headers["host"]) == ("GET", "/prices?day=1", web.host)
    assert not {"cookie", "authorization", "proxy-authorization"} & asked.headers.keys()


async def test_a_host_that_is_not_granted_is_never_asked_and_the_remedy_says_what_to_grant(
    web: Web,
) -> None:
    with pytest.raises(SecurityError, match="a may not fetch from") as raised:
        await get(web, "", "example.com")
    assert f"grant network:{web.host} under plugins.a.permissions" in raised.value.remedy
    with pytest.raises(SecurityError):
        await get(web, "", f"127.0.0.1:{web.port + 1 if web.port < 65535 else 1}")
    assert web.asked == []


async def test_variables_of_the_environment_name_no_proxy(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert (await get(web)).status == 404


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "example.com", "//example.com/x",
        "http://user:secret@example.com/", "http://example.com:0x50/", "http://example.com:99999/",
        "http://exa mple.com/", "http://example.com/a b", "http://example.com/\r\nX: y",
        "http://example.com\\@evil.com/", "http://127.1/", "http://0x7f000001/",
        "http://2130706433/", "http://[::1/", "http:///x", "http://bücher.example/",
        "http://example.com/" + "x" * 9000,
    ],
)  # fmt: skip
async def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(ContractError, match="cannot be fetched") as raised:
        await Outward().fetch(Call("GET", url), job("example.com", "127.0.0.1"))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "call",
    [
        Call("DELETE", "http://example.com/"),
        Call("GET\r\nX: y", "http://example.com/"),
        Call("GET", "http://example.com/", (("Host", "evil.com"),)),
        Call("GET", "http://example.com/", (("X-A", "b\r\nHost: evil.com"),)),
        Call("GET", "http://example.com/", (("X A", "b"),)),
        Call("GET", "http://example.com/", (("Transfer-Encoding", "chunked"),)),
        Call("GET", "http://example.com/", (("Proxy-Authorization", "x"),)),
        Call("GET", "http://example.com/", (("A", "b"),) * 65),
        Call("GET", "http://example.com/", timeout=0),
        Call("GET", "http://example.com/", timeout=float("nan")),
        Call("GET", "http://example.com/", timeout=float("inf")),
        Call("POST", "http://example.com/", body=b"x" * ((10 << 20) + 1)),
    ],
)
async def test_a_call_that_a_child_made_up_is_refused(call: Call) -> None:
    with pytest.raises(ContractError, match="cannot be fetched"):
        await leading("127.0.0.1").fetch(call, job("example.com"))


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.5", "192.168.1.1", "172.16.0.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0",  # noqa: S104 - nothing is bound
        "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fc00::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.5", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "::",
    ],
)  # fmt: skip
@pytest.mark.parametrize("granted", ["feeds.example.com", "*.example.com"])
async def test_a_name_that_leads_into_the_own_network_is_refused(
    web: Web, address: str, granted: str
) -> None:
    call = Call("GET", f"http://feeds.example.com:{web.port}/")
    for addresses in ((address,), ("8.8.8.8", address)):
        with pytest.raises(SecurityError, match="not of the public internet") as raised:
            await leading(*addresses).fetch(call, job(granted))
        assert "declare and grant network:" in raised.value.remedy
    assert web.asked == []


async def test_a_name_that_leads_to_an_address_that_is_granted_itself_is_asked(web: Web) -> None:
    call = Call("GET", f"http://feeds.example.com:{web.port}/x")
    granted = job("feeds.example.com", "127.0.0.1")
    assert (await leading("127.0.0.1").fetch(call, granted)).status == 404
    assert web.asked[0].headers["host"] == f"feeds.example.com:{web.port}"


async def test_localhost_is_what_it_says_and_nothing_else(web: Web) -> None:
    call = Call("GET", f"http://localhost:{web.port}/")
    assert (await leading("127.0.0.1").fetch(call, job("localhost"))).status == 404
    with pytest.raises(SecurityError, match="localhost leads to 10"):
        await leading("10.0.0.5").fetch(call, job("localhost"))


def test_addresses_of_the_internet_are_public() -> None:
    import ipaddress

    for text in ("8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"):
        assert is_public(ipaddress.ip_address(text))


async def test_a_name_that_leads_nowhere_is_worth_another_try(web: Web) -> None:
    with pytest.raises(ProviderConnectionError, match="cannot be reached") as raised:
        await leading().fetch(Call("GET", "http://example.com/"), job("example.com"))
    assert raised.value.retryable


# --- redirects --------------------------------------------------------------------------------


async def test_a_redirect_to_a_granted_host_is_followed(web: Web) -> None:
    web.answers |= {"/a": moved("b?x=1"), "/b": reply(b"there")}
    answer = await get(web, web.url("/a"))
    assert (answer.content, answer.url) == (b"there", web.url("/b?x=1"))


@pytest.mark.parametrize("to", ["http://169.254.169.254/", "//evil.example/", "http://127.0.0.2/"])
async def test_a_redirect_to_a_host_that_is_not_granted_is_refused(web: Web, to: str) -> None:
    web.answers["/a"] = moved(to)
    with pytest.raises(SecurityError, match="may not fetch from"):
        await get(web, web.url("/a"))


@pytest.mark.parametrize("to", ["//[", "mailto:x", "http://a b/", "\xfc", "http://user:p@x/"])
async def test_a_redirect_to_what_is_no_place_is_the_hosts_fault(web: Web, to: str) -> None:
    web.answers["/a"] = reply(b"", "Location: ", status=302).replace(
        b"Location: ", b"Location: " + to.encode("latin-1")
    )
    with pytest.raises(ProviderDataError, match="redirects to what cannot be fetched"):
        await get(web, web.url("/a"))


async def test_a_redirect_that_never_ends_is_given_up(web: Web) -> None:
    web.answers["/a"] = moved("/a")
    with pytest.raises(ProviderDataError, match="more than 5 times"):
        await get(web, web.url("/a"))
    assert len(web.asked) == 6


async def test_what_only_the_first_host_should_know_does_not_go_on_to_another(web: Web) -> None:
    async with serving() as other:
        web.answers |= {"/a": moved("/b"), "/b": moved(other.url("/c"))}
        other.answers["/c"] = reply()
        fields = (("Authorization", "Bearer x"), ("X-Api-Key", "y"), ("Accept", "text/csv"))
        await Outward().fetch(Call("GET", web.url("/a"), fields), job(web.host, other.host))
        assert [each.headers.get("authorization") for each in web.asked] == ["Bearer x"] * 2
        (asked,) = other.asked
        assert asked.headers["accept"] == "text/csv"
        assert not {"authorization", "x-api-key"} & asked.headers.keys()


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"x=1"),
     (308, "POST", b"x=1")],
)  # fmt: skip
async def test_a_post_is_repeated_only_where_the_host_says_so(
    web: Web, status: int, method: str, body: bytes
) -> None:
    web.answers |= {"/a": moved("/b", status), "/b": reply()}
    fields = (("Content-Type", "application/x-www-form-urlencoded"),)
    await Outward().fetch(Call("POST", web.url("/a"), fields, b"x=1"), job(web.host))
    first, second = web.asked
    assert (first.method, first.body) == ("POST", b"x=1")
    assert (second.method, second.body) == (method, body)
    assert ("content-type" in second.headers) is (method == "POST")


# --- at once -----------------------------------------------------------------------------------


async def test_only_so_many_fetches_go_on_at_once(web: Web) -> None:
    release = asyncio.Event()
    full = asyncio.Event()

    async def held(_: Asked, writer: asyncio.StreamWriter) -> None:
        if web.open == MOST_AT_ONCE:
            full.set()
        await release.wait()
        writer.write(reply(b"ok"))

    web.answers["/"] = held
    outward, granted = Outward(), job(web.host)
    calls = [
        asyncio.ensure_future(outward.fetch(Call("GET", web.url()), granted)) for _ in range(12)
    ]
    await full.wait()
    release.set()
    assert [each.content for each in await asyncio.gather(*calls)] == [b"ok"] * 12
    assert web.most_open == MOST_AT_ONCE


# --- TLS --------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
async def test_certificates_are_checked_against_name_and_trust(tmp_path: Path) -> None:
    file = certificate(tmp_path, "feeds.example.com")
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=f"{file}.crt")
    granted = job("feeds.example.com", "other.example.com", "127.0.0.1")

    async def lookup(_: str, __: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with serving(here) as web:
        web.answers["/"] = reply(b"hush")
        good = Call("GET", f"https://feeds.example.com:{web.port}/")
        assert (await Outward(lookup, trusting).fetch(good, granted)).content == b"hush"
        with pytest.raises(SecurityError, match="is not trusted"):
            await Outward(lookup).fetch(good, granted)
        other = Call("GET", f"https://other.example.com:{web.port}/")
        with pytest.raises(SecurityError, match="is not trusted"):
            await Outward(lookup, trusting).fetch(other, granted)
        web.answers["/"] = moved(f"http://feeds.example.com:{web.port}/")
        with pytest.raises(SecurityError, match="redirects from https to http"):
            await Outward(lookup, trusting).fetch(good, granted)


def test_the_usual_port_is_left_out_of_a_host() -> None:
    assert target_of("https://EXAMPLE.com:443").url == "https://example.com/"
    assert target_of("http://[::1]:8080/x").host == "[::1]:8080"
