"""The client of ``context.http``: what a plugin says, and what it is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from optifire.core.errors import (
    ContractError,
    NotInReplay,
    OptifireError,
    ProviderConnectionError,
    ProviderRateLimitError,
    is_retryable,
)
from optifire.sdk.http import Call, Headers, HttpClient, Response
from optifire.sdk.scope import Scope

NOW = datetime(2018, 11, 23, tzinfo=UTC)


class Kept:
    """Keeps the calls, and answers with nothing."""

    def __init__(self, *, replay: bool = False) -> None:
        self.calls: list[Call] = []
        self.client = HttpClient(self.fetch, Scope(NOW, plugin_id="a", replay=replay))

    async def fetch(self, call: Call) -> Response:
        self.calls.append(call)
        return Response(200, call.url)


@pytest.mark.parametrize(
    ("url", "params", "whole"),
    [
        ("https://a.example/x", None, "https://a.example/x"),
        ("https://a.example/x", {"q": "a b", "n": [1, 2]}, "https://a.example/x?q=a+b&n=1&n=2"),
        ("https://a.example/x?y=1#end", [("q", "ü")], "https://a.example/x?y=1&q=%C3%BC#end"),
    ],
)
async def test_params_are_added_to_the_query(url: str, params: Any, whole: str) -> None:
    kept = Kept()
    await kept.client.get(url, params, {"Accept": "text/csv"}, 3)
    assert kept.calls == [Call("GET", whole, (("Accept", "text/csv"),), b"", 3.0)]


@pytest.mark.parametrize(
    ("given", "body", "kind"),
    [
        ({}, b"", None),
        ({"json": {"a": [1, None]}}, b'{"a": [1, null]}', "application/json"),
        ({"data": {"a": "b c"}}, b"a=b+c", "application/x-www-form-urlencoded"),
        ({"data": [("a", 1), ("a", 2)]}, b"a=1&a=2", "application/x-www-form-urlencoded"),
        ({"data": b"\x00"}, b"\x00", None),
        ({"data": "ü"}, "ü".encode(), None),
        ({"data": "<x/>", "headers": {"content-type": "text/xml"}}, b"<x/>", "text/xml"),
        ({"json": 1, "headers": {"content-TYPE": "text/json"}}, b"1", "text/json"),
    ],
)
async def test_a_post_carries_what_it_is_given(
    given: dict[str, Any], body: bytes, kind: str | None
) -> None:
    kept = Kept()
    await kept.client.post("https://a.example/", **given)
    (call,) = kept.calls
    assert (call.method, call.body) == ("POST", body)
    assert Headers(call.headers).get("content-type") == kind


@pytest.mark.parametrize(
    "given",
    [{"json": 1, "data": b""}, {"json": float("nan")}, {"json": object()}, {"data": 7}],
)
async def test_a_post_that_cannot_be_written_down_is_refused(given: dict[str, Any]) -> None:
    kept = Kept()
    with pytest.raises(ContractError):
        await kept.client.post("https://a.example/", **given)
    assert kept.calls == []


async def test_a_url_is_text() -> None:
    url: Any = b"https://a.example/"
    with pytest.raises(ContractError, match="text, not bytes"):
        await Kept().client.get(url)


async def test_a_replay_fetches_nothing() -> None:
    kept = Kept(replay=True)
    with pytest.raises(NotInReplay, match=r"a: context\.http is not part of a replay"):
        await kept.client.get("https://a.example/")
    with pytest.raises(NotInReplay):
        await kept.client.post("https://a.example/")
    assert kept.calls == []


def test_headers_are_found_in_any_case_and_joined() -> None:
    headers = Headers([("X-A", "1"), ("x-a", "2"), ("Date", "now")])
    assert (headers["X-a"], headers.get("DATE"), len(headers)) == ("1, 2", "now", 2)
    assert "x-b" not in headers
    assert list(headers) == ["x-a", "date"]


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("", "ü".encode(), "ü"),
        ("text/csv; charset=ISO-8859-1", b"\xfc", "ü"),
        ('text/csv; charset="utf-16-le"; x=y', "ü".encode("utf-16-le"), "ü"),
        ("text/csv; charset=no-such", b"ok", "ok"),
        ("text/csv", b"\xff", "�"),
    ],
)
def test_text_is_read_by_its_charset(kind: str, content: bytes, text: str) -> None:
    assert Response(200, "", Headers([("Content-Type", kind)]), content).text == text


def test_json_is_read_or_said_to_be_none() -> None:
    assert Response(200, "", content=b'{"a": 1.5}').json() == {"a": 1.5}
    with pytest.raises(ValueError, match="Expecting"):
        Response(200, "", content=b"<html>").json()


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, OptifireError, False),
        (429, ProviderRateLimitError, True),
        (503, ProviderConnectionError, True),
    ],
)
def test_a_status_is_an_error_where_somebody_asks(
    status: int,
    kind: type[OptifireError],
    retryable: bool,  # noqa: FBT001 - a column of the table
) -> None:
    with pytest.raises(kind, match=f"https://a.example/ answered with status {status}") as raised:
        Response(status, "https://a.example/").raise_for_status()
    assert is_retryable(raised.value) is retryable
    Response(399, "").raise_for_status()


@pytest.mark.parametrize(("said", "wait"), [("7", 7.0), ("Wed, 21 Oct", None), ("", None)])
def test_a_host_says_when_to_come_back(said: str, wait: float | None) -> None:
    answer = Response(429, "", Headers([("Retry-After", said)]))
    with pytest.raises(ProviderRateLimitError) as raised:
        answer.raise_for_status()
    assert raised.value.retry_after == wait
