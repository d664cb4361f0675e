"""Who is let in: every route, without a token, with one that does not hold, and too weak a one."""

import re
from typing import Any

import pytest

from optifire.api.document import described
from optifire.api.routes_change import CHANGES
from optifire.api.routes_read import READS
from optifire.core.access import Role

#: Routes that are open on purpose.
PUBLIC = {("GET", "/health"), ("GET", "/health/ready")}
#: What each route needs at least.
NEEDS = {
    (method.upper(), path): Role.VIEWER
    for path, said in described()["paths"].items()
    for method in said
    if (method.upper(), path) not in PUBLIC
} | {
    ("GET", "/audit"): Role.ADMIN,
    ("GET", "/tokens"): Role.ADMIN,
    ("POST", "/config/flags/{plugin_id}/toggle"): Role.OPERATOR,
    ("POST", "/plugins/{plugin_id}/run"): Role.OPERATOR,
    ("POST", "/plugins/{plugin_id}/pause"): Role.OPERATOR,
    ("POST", "/plugins/{plugin_id}/resume"): Role.OPERATOR,
    ("POST", "/pause"): Role.OPERATOR,
    ("POST", "/resume"): Role.OPERATOR,
    ("POST", "/runs/{run_id}/cancel"): Role.OPERATOR,
}
WEAKER = {Role.OPERATOR: Role.VIEWER, Role.ADMIN: Role.OPERATOR}
ALL = [pytest.param(*route, id=" ".join(route)) for route in sorted(NEEDS)]
#: Those whose answers end; that of /events does not (see test_events.py).
ENDING = [each for each in ALL if each.id != "GET /events"]


def concrete(path: str) -> str:
    """Give a path that leads to the route, with a query that it takes."""
    filled = re.sub(r"\{[a-z_]+\}", "one", path)
    return f"{filled}?enabled=true" if path.endswith("toggle") else filled


def test_the_document_names_every_route() -> None:
    served = {
        (str(method), path)
        for handler in (*READS, *CHANGES)
        for path in handler.paths
        for method in handler.http_methods
    }
    folded = {(method, re.sub(r":str\}", "}", path)) for method, path in served}
    assert folded | {("GET", "/openapi.json"), ("GET", "/events")} == set(NEEDS) | PUBLIC


@pytest.mark.row("O046")
@pytest.mark.parametrize(("method", "path"), ALL)
async def test_a_route_refuses_who_may_not_use_it(site: Any, method: str, path: str) -> None:
    revoked, text = site.tokens.create("gone", Role.ADMIN, revoked_at := _now(site))
    site.tokens.revoke(revoked.id, revoked_at)
    own = site.texts[Role.ADMIN]
    forged = own[:-1] + ("A" if own[-1] != "A" else "B")
    for token in (None, "", "nonsense", forged, text):
        answer = await site.ask(concrete(path), method, token=token)
        assert answer.status == 401, token
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
    weaker = WEAKER.get(NEEDS[method, path])
    if weaker is not None:
        answer = await site.ask(concrete(path), method, token=weaker)
        assert answer.status == 403
        assert NEEDS[method, path] in answer.json["detail"]
    assert site.desk.said == []


@pytest.mark.row("O046")
@pytest.mark.parametrize(("method", "path"), ENDING)
async def test_a_route_lets_in_the_role_that_it_needs(site: Any, method: str, path: str) -> None:
    answer = await site.ask(concrete(path), method, token=NEEDS[method, path])
    assert answer.status == 200, answer.body
    assert path == "/openapi.json" or len(site.desk.said) == 1


@pytest.mark.row("A137")
@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_health_is_open_to_everybody_and_says_no_reasons(site: Any, path: str) -> None:
    answer = await site.ask(path, token=None)
    assert (answer.status, answer.json) == (200, {"live": True, "ready": True})


async def test_health_is_503_where_the_service_is_not_live_or_not_ready(site: Any) -> None:
    site.desk.vital = {"live": True, "ready": False}
    assert (await site.ask("/health", token=None)).status == 200
    assert (await site.ask("/health/ready", token=None)).status == 503
    site.desk.vital = {"live": False, "ready": False}
    assert (await site.ask("/health", token=None)).status == 503


async def test_a_token_that_is_revoked_holds_no_more_from_the_next_request_on(site: Any) -> None:
    token, text = site.tokens.create("soon gone", Role.VIEWER, _now(site))
    assert (await site.ask("/status", token=text)).status == 200
    site.tokens.revoke(token.id, _now(site))
    assert (await site.ask("/status", token=text)).status == 401


async def test_tokens_that_others_may_read_let_nobody_in(site: Any) -> None:
    assert (await site.ask("/health/checks")).status == 200
    site.desk.said.clear()
    site.tokens.file.chmod(0o644)
    answer = await site.ask("/status")
    assert answer.status == 503
    assert "others may read" in answer.json["detail"]
    assert site.desk.said == []
    assert (await site.ask("/health", token=None)).status == 200, "it is open as before"


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "DELETE", "PUT", "PATCH", "TRACE"])
async def test_other_methods_reach_nothing_without_a_token(site: Any, method: str) -> None:
    answer = await site.ask("/status", method, token=None)
    assert answer.status in {401, 405}
    assert site.desk.said == []


def _now(site: Any) -> Any:
    return site.tokens.all()[0].created_at
