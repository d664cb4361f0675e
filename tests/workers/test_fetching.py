"""``context.http`` from inside a run, wherever it executes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio

from optifire.core.permissions import parse_grants
from optifire.core.run import RunStatus
from tests.contracts.making import workers_of
from tests.workers.web import Asked, Web, reply, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from optifire.core.ports import Outcome, RunRequest, Worker
    from optifire.workers.pooled import PooledWorker
    from tests.workers.conftest import Ask

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


KINDS = ("inline", "isolated", "resident", "isolated sandboxed", "resident sandboxed")


@pytest_asyncio.fixture(loop_scope="session", params=KINDS)
async def worker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Worker]:
    async for made in workers_of(request.param, tmp_path):
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def web() -> AsyncIterator[Web]:
    release = asyncio.Event()

    async def late(_: Asked, writer: asyncio.StreamWriter) -> None:
        made.late.set()
        await release.wait()
        writer.write(reply(b"at last"))

    async def free(_: Asked, writer: asyncio.StreamWriter) -> None:
        release.set()
        writer.write(reply(b"done"))

    async def echo(asked: Asked, writer: asyncio.StreamWriter) -> None:
        kind = asked.headers.get("content-type", "").encode()
        writer.write(reply(kind + b" " + asked.body + asked.path.partition("?")[2].encode()))

    async with serving() as made:
        made.answers = {
            "/get": reply(b'{"vix": 12.5}', "X-Left: 7"),
            "/post": echo,
            "/together": echo,
            "/late": late,
            "/release": free,
        }
        yield made
        release.set()


@pytest.fixture
def want(ask: Ask, web: Web) -> Ask:
    def make(do: str, *granted: str, **config: Any) -> RunRequest:
        fields = {key: config.pop(key) for key in ("timeout", "replay") if key in config}
        request = ask(do, "fetches", config={"base": f"http://{web.host}", **config}, **fields)
        words = [f"network:{each}" for each in granted or (web.host,)]
        request.job = replace(request.job, grants=parse_grants(words, where=""))
        return request

    return make


def plain(outcome: Outcome) -> dict[str, Any]:
    """Give the outputs of a run, which must have succeeded."""
    assert outcome.status is RunStatus.SUCCEEDED, (outcome.reason, outcome.failure, outcome.log)
    return {key: msgspec.msgpack.decode(value) for key, value in outcome.outputs.items()}


def failed_by(outcome: Outcome, kind: str) -> str:
    assert outcome.status is RunStatus.FAILED, outcome
    assert outcome.failure is not None
    assert outcome.failure.type == kind, outcome.failure
    return outcome.failure.message


async def test_a_run_fetches_from_a_granted_host(worker: Worker, want: Ask, web: Web) -> None:
    said = plain(await worker.run(want("get")))
    assert said == {"status": 200, "json": {"vix": 12.5}, "left": "7"}
    (asked,) = web.asked
    assert asked.path == "/get?day=1&day=2"
    assert asked.headers["x-key"] == "hush"


async def test_a_post_carries_json_or_a_form(worker: Worker, want: Ask) -> None:
    assert plain(await worker.run(want("post"))) == {
        "first": 'application/json {"a": null}',
        "second": "application/x-www-form-urlencoded a=b+c",
    }


async def test_many_fetches_go_on_together(worker: Worker, want: Ask, web: Web) -> None:
    said = plain(await worker.run(want("together")))
    assert said == {"texts": [f" {n}" for n in range(20)]}


async def test_a_run_asks_for_other_things_while_it_fetches(worker: Worker, want: Ask) -> None:
    assert plain(await worker.run(want("ask_meanwhile"))) == {
        "text": "at last",
        "names": [None] * 50,
    }


async def test_an_answer_that_nobody_waits_for_any_more_is_dropped(
    worker: Worker, want: Ask
) -> None:
    said = plain(await worker.run(want("impatient")))
    assert said == {"text": '{"vix": 12.5}', "rows": []}


async def test_a_host_that_is_not_granted_fails_the_run_with_the_remedy(
    worker: Worker, want: Ask, web: Web
) -> None:
    message = failed_by(await worker.run(want("elsewhere")), "SecurityError")
    assert "fetches may not fetch from elsewhere.example" in message
    assert "grant network:elsewhere.example under plugins.fetches.permissions" in message
    message = failed_by(await worker.run(want("get", "example.com")), "SecurityError")
    assert f"may not fetch from {web.host}" in message
    assert web.asked == []


async def test_what_a_run_asks_past_its_client_is_checked_by_the_service(
    worker: Worker, want: Ask, web: Web
) -> None:
    call = {"method": "DELETE", "url": web.url()}
    assert "DELETE" in failed_by(await worker.run(want("around", call=call)), "ContractError")
    call = {"method": "GET", "url": "http://169.254.169.254/"}
    failed_by(await worker.run(want("around", call=call)), "SecurityError")
    assert web.asked == []


async def test_a_fetch_never_outlasts_its_run(worker: Worker, want: Ask, web: Web) -> None:
    outcome = await worker.run(want("late", timeout=0.5))
    assert outcome.status is RunStatus.TIMED_OUT
    await until_closed(web)


async def test_a_fetch_ends_with_a_run_that_is_cancelled(
    worker: Worker, want: Ask, web: Web
) -> None:
    run = asyncio.ensure_future(worker.run(want("late")))
    await web.late.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await until_closed(web)


async def until_closed(web: Web) -> None:
    """Wait until every connection was closed by who opened it: nothing else frees ``/late``."""
    for reader in web.readers:
        with suppress(ConnectionResetError):
            await reader.read()


@pytest.mark.parametrize("kind", ["isolated", "resident"])
async def test_who_asks_on_without_reading_is_given_up(
    kind: str, tmp_path: Path, want: Ask, web: Web
) -> None:
    web.answers["/large"] = reply(b"x" * (1 << 20))
    async for made in workers_of(kind, tmp_path):
        outcome = await made.run(want("never_read"))
        assert outcome.status is RunStatus.CRASHED, outcome
        assert outcome.reason is not None
        assert outcome.reason.code == "garbage"
        # Which of the two a service sees first depends on how busy the machine is.
        told = ("does not read what it is told", "messages at once")
        assert any(each in outcome.reason.detail for each in told)


@pytest.mark.parametrize("kind", ["isolated", "resident"])
async def test_a_thread_with_a_loop_of_its_own_is_told_where_to_fetch(
    kind: str, tmp_path: Path, want: Ask
) -> None:
    async for made in workers_of(kind, tmp_path):
        message = failed_by(await made.run(want("in_a_thread")), "ContractError")
        assert "another event loop" in message


async def test_a_replayed_run_is_skipped_as_live_only(
    pooled: PooledWorker, want: Ask, web: Web
) -> None:
    outcome = await pooled.run(want("get", replay=True))
    assert outcome.status is RunStatus.SKIPPED
    assert outcome.reason is not None
    assert outcome.reason.code == "live only"
    assert "context.http" in outcome.reason.detail
    call = {"method": "GET", "url": web.url()}
    outcome = await pooled.run(want("around", replay=True, call=call))
    assert outcome.status is RunStatus.SKIPPED
    assert web.asked == []
