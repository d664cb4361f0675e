"""The OpenAPI document: made when somebody first asks for it, in a thread."""

import asyncio
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from optifire import __version__
from optifire.api.plain import PlainLitestar, get
from optifire.api.problems import MEMBERS, PROBLEM
from optifire.api.routes_change import CHANGES
from optifire.api.routes_events import events
from optifire.api.routes_read import READS
from optifire.api.stream import EVENT_STREAM
from optifire.core.access import Role

#: What routes are handed by name, and no client sends.
DESKS = ("reads", "records", "changes", "feed")
Plain = dict[str, Any]
#: What any route may answer, and what those that want a token may answer besides.
ANY, GUARDED = (400, 404, 405, 413, 429, 500, 503), (401, 403)
#: What bodies may hold, and nothing else; and that `force` wants a reason.
BODIES = ("RunNow", "Said")
FORCE_SAYS_WHY = [
    {"properties": {"force": {"const": False}}},
    {"properties": {"why": {"minLength": 1}}, "required": ["why"]},
]
#: What a change may answer besides.
OF_CHANGES = (409,)


@get("/openapi.json", role=Role.VIEWER, summary="This document")
async def document() -> dict[str, Any]:
    """Give the OpenAPI document of the API."""
    return await asyncio.to_thread(described)


@cache
def described() -> Plain:
    """Give the document, made from an application that is never served.

    The one that is served has no OpenAPI configuration, which would bring pages of its own.
    """
    handlers = [*READS, *CHANGES, events, document]
    config = OpenAPIConfig(
        title="OptiFIRE",
        version=__version__,
        description="Runs, plugins and configuration of one service. Errors are RFC 9457 problems.",
        render_plugins=[JsonRenderPlugin()],
        create_examples=False,
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
    )
    app = PlainLitestar(
        handlers,
        dependencies={desk: _nobody() for desk in DESKS},
        openapi_config=config,
        logging_config=None,
    )
    said = app.openapi_schema.to_schema()
    public = {each.handler_name for each in handlers if each.opt.get("public", False)}
    for method, operation in _operations(said):
        _correct(operation, method, guarded=operation["operationId"] not in public)
    components = said["components"]
    for body in BODIES:
        components["schemas"][body]["additionalProperties"] = False
    components["schemas"]["RunNow"]["anyOf"] = FORCE_SAYS_WHY
    components["schemas"]["Problem"] = _problem()
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return dict(said)


def _operations(said: Plain) -> Iterator[tuple[str, Plain]]:
    for path in said["paths"].values():
        yield from path.items()


def _correct(operation: Plain, method: str, *, guarded: bool) -> None:
    """Say what litestar does not know: errors by our handlers, the gate, ETags, no body at all."""
    responses = {"200": operation["responses"]["200"]}
    if method == "get" and EVENT_STREAM not in responses["200"]["content"]:
        responses["200"].setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}}
        responses["304"] = {"description": "It is what If-None-Match names"}
    statuses = {*ANY, *(GUARDED if guarded else ()), *(OF_CHANGES if method == "post" else ())}
    for status in sorted(statuses):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    if not guarded:  # what is not well is told in the shape of what is
        responses["503"]["content"] |= responses["200"]["content"]
    operation["responses"] = responses
    operation["security"] = [{"token": []}] if guarded else []
    if "requestBody" in operation:
        operation["requestBody"]["required"] = False


def _problem() -> Plain:
    """Give the schema of an error."""
    members = {name: {"type": kind, "description": what} for name, (kind, what) in MEMBERS.items()}
    return {"type": "object", "properties": members, "required": list(MEMBERS)}


def _nobody() -> Provide:
    """Stand where somebody would answer; each is one of its own, as litestar asks."""
    return Provide(lambda: None, sync_to_thread=False)
