"""What answers look like: problems, ETags, limits, and no 500 for anything a client can send."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optifire.api.rate import MOST_CLIENTS, RateLimit
from optifire.core.access import Role
from optifire.core.errors import ConfigError, StoreError


async def test_an_error_says_what_where_and_what_to_do(site: Any) -> None:
    answer = await site.ask("/plugins/nobody")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:optifire:error:NotFoundError",
        "title": "Not Found",
        "status": 404,
        "detail": "no such plugin",
        "instance": "/plugins/nobody",
        "where": "nobody",
        "remedy": "Did you mean body?",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("a key is unknown", where="config.yaml:3"), 409),
        (StoreError("the disk is full", where="paper.db"), 503),
        (RuntimeError("secret detail"), 500),
    ],
)
async def test_each_kind_of_error_has_its_status(site: Any, error: Exception, status: int) -> None:
    site.desk.trouble = error
    answer = await site.ask("/status")
    assert answer.status == answer.json["status"] == status
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/runs?limit=0", "limit"),
        ("/runs?limit=501", "limit"),
        ("/runs?limit=many", "limit"),
        ("/runs?status=fine", "status"),
        ("/runs?since=yesterday", "since"),
        ("/runs?since=2018-11-23T13:00:00", "since"),
        ("/runs?since=0.5", "since"),
        ("/runs?until=0001-01-01T00:00:00%2B12:00", "until"),
        ("/next?hours=0", "hours"),
        ("/next?hours=nan", "hours"),
        ("/budgets?days=0", "days"),
        ("/why/one?at=noon", "at"),
    ],
)
async def test_a_parameter_that_cannot_be_is_named(site: Any, path: str, where: str) -> None:
    answer = await site.ask(path)
    assert (answer.status, answer.json["where"]) == (400, where)
    assert site.desk.said == []


async def test_conditions_of_a_list_reach_the_service(site: Any) -> None:
    await site.ask(
        "/runs?plugin=a&status=failed&since=2018-11-23T13:00:00%2B01:00&limit=7&cursor=c"
    )
    (_, asked) = site.desk.said[0]
    assert (asked.plugin, asked.status, asked.limit, asked.cursor) == ("a", "failed", 7, "c")
    assert asked.since.isoformat() == "2018-11-23T12:00:00+00:00"


async def test_a_change_names_who_asked(site: Any) -> None:
    body = json.dumps({"why": "a look", "force": True}).encode()
    await site.ask("/plugins/one/run", "POST", token=Role.OPERATOR, body=body)
    await site.ask("/config/flags/one/toggle?enabled=false", "POST", token=Role.OPERATOR)
    await site.ask("/runs/one/cancel", "POST", body=b'{"why": "enough"}')
    why = b'{"why": "odd data"}'
    await site.ask("/plugins/one/pause", "POST", token=Role.OPERATOR, body=why)
    await site.ask("/resume", "POST", token=Role.OPERATOR)
    assert site.desk.said == [
        ("run_now", "one", "a look", True, "operator"),
        ("toggle", "one", False, "operator"),
        ("cancel", "one", "enough", "admin"),
        ("pause", "one", "odd data", "operator"),
        ("resume", None, "", "operator"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"wy": "x"}',
        b'{"why": 3}',
        b'{"force": 1}',
        b'{"why": "\\u001b[2J"}',
        b'{"why": "' + b"x" * 501 + b'"}',
    ],
)
async def test_a_body_that_is_not_as_it_should_be_changes_nothing(site: Any, body: bytes) -> None:
    assert (await site.ask("/plugins/one/run", "POST", body=body)).status == 400
    assert site.desk.said == []


async def test_a_body_that_is_too_long_is_refused(site: Any) -> None:
    body = b'{"why": "' + b"x" * (70 << 10) + b'"}'
    assert (await site.ask("/plugins/one/run", "POST", body=body)).status == 413
    assert site.desk.said == []


async def test_an_answer_that_has_not_changed_is_not_sent_again(site: Any) -> None:
    first = await site.ask("/graph")
    again = await site.ask(
        "/graph", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'}
    )
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await site.ask("/graph", headers={"If-None-Match": '"other"'})
    assert (other.status, other.body) == (200, first.body)


@pytest.mark.parametrize("per_minute", [3])
async def test_who_asks_too_often_is_told_when_to_come_again(site: Any, per_minute: int) -> None:
    statuses = [(await site.ask("/status")).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = await site.ask("/nowhere")
    assert (answer.status, answer.headers["retry-after"]) == (429, "20")
    assert (await site.ask("/status", token=Role.VIEWER)).status == 200, "another token"
    site.now[0] += 20
    assert (await site.ask("/status")).status == 200


@pytest.mark.parametrize("per_minute", [3])
async def test_who_guesses_keeps_out_nobody_who_has_a_token(site: Any, per_minute: int) -> None:
    guesses = [await site.ask("/status", token=f"guess{n}") for n in range(4)]
    assert [answer.status for answer in guesses] == [401, 401, 401, 429]
    assert (await site.ask("/status")).status == 200


def test_no_more_clients_are_remembered_than_may_be() -> None:
    limit = RateLimit(1, lambda: 0.0)
    assert limit.wait("first") == 0
    assert limit.wait("first") == 60
    for number in range(MOST_CLIENTS):
        assert limit.wait(str(number)) == 0
    assert limit.wait("first") == 0, "forgotten, and welcome again"


@given(count=st.integers(1, 50), rate=st.integers(1, 500), step=st.floats(0, 100))
def test_nobody_gets_more_than_the_rate(count: int, rate: int, step: float) -> None:
    now = [0.0]
    limit = RateLimit(rate, lambda: now[0])
    served = 0
    for _ in range(count):
        served += limit.wait("one") == 0
        now[0] += step
    assert served <= rate + count * step * rate / 60 + 1e-6


@pytest.mark.parametrize("body", [b'{"why": "\xff"}', b"\xff", b"{", b"[]", b'{"why": 7}'])
async def test_a_body_that_is_none_is_a_400(site: Any, body: bytes) -> None:
    answer = await site.ask("/plugins/quick/run", "POST", body=body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


WORDS = st.text(max_size=40).map(lambda text: quote(text, safe=""))
QUERIES = st.dictionaries(
    st.sampled_from(
        ["plugin", "status", "since", "until", "limit", "cursor", "hours", "days", "at", "enabled"]
    ),
    WORDS,
    max_size=4,
)
ROUTES = st.sampled_from(
    [
        *(("GET", path) for path in ("/runs", "/runs/{}", "/plugins/{}", "/why/{}", "/next")),
        *(("GET", path) for path in ("/budgets", "/audit", "/{}", "/openapi.json")),
        *(("POST", path) for path in ("/config/flags/{}/toggle", "/plugins/{}/run")),
        ("POST", "/runs/{}/cancel"),
    ]
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(route=ROUTES, word=WORDS, query=QUERIES, body=st.none() | st.binary(max_size=40))
def test_nothing_that_a_client_sends_is_a_500(
    steady: Any, route: tuple[str, str], word: str, query: dict[str, str], body: bytes | None
) -> None:
    method, path = route
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = steady(f"{path.format(word)}?{asked}", method, body=body)
    assert answer.status < 500, (method, path, word, asked, answer.body)
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "where", "remedy"} <= answer.json.keys()


@pytest.fixture
async def steady(site: Any) -> Any:
    """Give a client for tests that are no coroutines; the server goes on in its loop."""
    loop = asyncio.get_running_loop()

    def ask(*words: Any, **options: Any) -> Any:
        return loop.run_until_complete(site.ask(*words, **options))

    return ask
