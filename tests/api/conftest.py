"""The API over real HTTP on this machine, before a service that only remembers what it is asked."""

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optifire.api.application import litestar_app
from optifire.api.feed import Feed
from optifire.api.feed import Terms as Following
from optifire.api.ports import RunsAsked
from optifire.api.server import Terms, serve
from optifire.api.tail import Event, EventKind, Span
from optifire.core.access import Caller, Role
from optifire.core.errors import NotFoundError
from optifire.host.tokens import TokenFile
from optifire.runtime.clock import real_pause

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass
class Desk:
    """Answers with what it was asked; raises ``trouble`` instead when there is some."""

    said: list[tuple[Any, ...]] = field(default_factory=list)
    trouble: Exception | None = None
    vital: dict[str, Any] = field(default_factory=lambda: {"live": True, "ready": True})

    def _answer(self, *asked: Any) -> dict[str, Any]:
        self.said.append(asked)
        if self.trouble is not None:
            raise self.trouble
        return {"asked": [str(each) for each in asked]}

    def alive(self) -> dict[str, Any]:
        return self.vital

    async def checks(self) -> dict[str, Any]:
        return self._answer("checks")

    async def status(self) -> dict[str, Any]:
        return self._answer("status")

    async def plugins(self) -> Sequence[dict[str, Any]]:
        return [self._answer("plugins")]

    async def plugin(self, plugin_id: str) -> dict[str, Any]:
        if plugin_id == "nobody":
            raise NotFoundError("no such plugin", where="nobody", remedy="Did you mean body?")
        return self._answer("plugin", plugin_id)

    async def upcoming(self, hours: float, limit: int) -> Sequence[dict[str, Any]]:
        return [self._answer("next", hours, limit)]

    async def why(self, plugin_id: str, at: datetime | None) -> dict[str, Any]:
        return self._answer("why", plugin_id, at)

    async def graph(self) -> dict[str, Any]:
        return self._answer("graph")

    async def flags(self) -> Mapping[str, bool]:
        self._answer("flags")
        return {"one": True}

    async def runs(self, asked: RunsAsked) -> dict[str, Any]:
        return self._answer("runs", asked)

    async def run(self, run_id: str, *, logs: bool) -> dict[str, Any]:
        return self._answer("run", run_id, logs)

    async def cycles(self, limit: int, cursor: str | None) -> dict[str, Any]:
        return self._answer("cycles", limit, cursor)

    def metrics(self) -> str:
        self._answer("metrics")
        return "optifire_slots_held 0\n"

    async def config(self) -> dict[str, Any]:
        return self._answer("config")

    async def budgets(self, days: int) -> Sequence[dict[str, Any]]:
        return [self._answer("budgets", days)]

    async def audit(self, limit: int, cursor: str | None) -> dict[str, Any]:
        return self._answer("audit", limit, cursor)

    def tokens(self) -> Sequence[dict[str, Any]]:
        return [self._answer("tokens")]

    async def toggle(self, plugin_id: str, *, enabled: bool, by: Caller) -> dict[str, Any]:
        return self._answer("toggle", plugin_id, enabled, by.name)

    async def run_now(self, plugin_id: str, *, why: str, force: bool, by: Caller) -> dict[str, Any]:
        return self._answer("run_now", plugin_id, why, force, by.name)

    async def cancel(self, run_id: str, *, why: str, by: Caller) -> dict[str, Any]:
        return self._answer("cancel", run_id, why, by.name)

    async def pause(self, plugin_id: str | None, *, why: str, by: Caller) -> dict[str, Any]:
        return self._answer("pause", plugin_id, why, by.name)

    async def resume(self, plugin_id: str | None, *, why: str, by: Caller) -> dict[str, Any]:
        return self._answer("resume", plugin_id, why, by.name)


@dataclass
class History:
    """An order of events that grows; those before ``first`` are no longer kept."""

    name: str = "abc"
    first: int = 1
    events: list[Event] = field(default_factory=list)
    #: How often it was opened and is open, and how many pages were read.
    opened: int = 0
    open: int = 0
    pages: int = 0

    def grow(self, count: int, size: int = 0) -> None:
        """Add events whose data tell their place; ``size`` makes them as long as that."""
        for seq in range(len(self.events) + 1, len(self.events) + count + 1):
            data = json.dumps({"n": seq, "more": "x" * size}).encode()
            status = ("succeeded", "failed")[seq % 2]
            self.events.append(Event(seq, EventKind.RUN, f"p{seq % 3}", status, data))

    async def span(self) -> Span:
        return Span(self.name, self.first, len(self.events))

    async def page(self, after: int, limit: int) -> Sequence[Event]:
        self.pages += 1
        begin = max(after, self.first - 1)
        await real_pause(0)
        return self.events[begin : begin + limit]

    @asynccontextmanager
    async def use(self) -> AsyncIterator["History"]:
        """Open it for the length of a ``with`` block."""
        self.opened += 1
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """A server, its tokens, and a client; ``now`` is the clock that its limits go by."""

    port: int
    desk: Desk
    tokens: TokenFile
    texts: dict[Role, str]
    now: list[float]
    history: History
    feed: Feed

    async def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        token: str | Role | None = Role.ADMIN,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; a role stands for a token of that role."""
        text = self.texts[token] if isinstance(token, Role) else token
        sent = {"Content-Type": "application/json", **(headers or {})}
        if text is not None:
            sent["Authorization"] = f"Bearer {text}"
        return await asyncio.to_thread(self._ask, method, path, body, sent)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


@pytest.fixture
def per_minute() -> int:
    """Give how many requests a client may make in a minute."""
    return 1_000_000


@pytest.fixture(scope="session")
def histories() -> type[History]:
    """Give what makes orders of events."""
    return History


@pytest.fixture
def following() -> Following:
    """Give how those who follow events are served."""
    return Following(rest=0.001)


@pytest.fixture
async def site(tmp_path: Path, per_minute: int, following: Following) -> AsyncIterator[Site]:
    """Serve the API until the test ends."""
    tokens = TokenFile(tmp_path / "tokens.json")
    texts = {role: tokens.create(role.value, role, NOW)[1] for role in Role}
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)  # noqa: FBT003 - its only argument
    desk, now = Desk(), [0.0]
    history = History()
    feed = Feed(history.use, real_pause, following)
    terms = Terms(per_minute, lambda: now[0], real_pause, leave=feed.close)
    app = litestar_app(desk, desk, desk, feed)
    serving = asyncio.create_task(serve(sock, terms, tokens, app))
    try:
        yield Site(sock.getsockname()[1], desk, tokens, texts, now, history, feed)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        sock.close()
