"""Errors as RFC 9457 wants them: ``application/problem+json`` with what, where and remedy."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from optifire.api.feed import CrowdedError
from optifire.core import errors
from optifire.core.errors import OptifireError

log = logging.getLogger("optifire.api")

PROBLEM = "application/problem+json"
#: The members of a problem, each with its JSON type and meaning.
MEMBERS = {
    "type": ("string", "`urn:optifire:error:CLASS` for an error of OptiFIRE, else about:blank"),
    "title": ("string", "the phrase of the status"),
    "status": ("integer", "the status of the answer"),
    "detail": ("string", "what is wrong"),
    "instance": ("string", "the path that was asked for"),
    "where": ("string", "the file and line, key or parameter; empty if there is none"),
    "remedy": ("string", "what to do; empty if nothing can be said"),
}
#: Where a request that is not as it should be is described, and which statuses are such.
SEEK, WRONG = "See GET /openapi.json", {400, 404, 405, 413, 415}
NO_HEADERS: Mapping[str, str] = {}
#: The status of each kind of error, the first that fits.
STATUS: tuple[tuple[type[OptifireError], HTTPStatus], ...] = (
    (errors.NotFoundError, HTTPStatus.NOT_FOUND),
    (errors.UsageError, HTTPStatus.BAD_REQUEST),
    (CrowdedError, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.ConfigError, HTTPStatus.CONFLICT),
    (errors.PluginFault, HTTPStatus.CONFLICT),
)


def problem(
    status: int, detail: str, path: str, *, kind: str = "", where: str = "", remedy: str = ""
) -> dict[str, Any]:
    """Give the members of a problem; ``type`` names the class of an error of ours."""
    return {
        "type": f"urn:optifire:error:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": path,
        "where": where,
        "remedy": remedy,
    }


def encoded(said: Mapping[str, Any]) -> bytes:
    """Give a problem as it goes over the wire."""
    return json.dumps(said).encode()


def _answer(said: dict[str, Any], headers: Mapping[str, str] = NO_HEADERS) -> Response[bytes]:
    return Response(
        encoded(said), media_type=PROBLEM, status_code=said["status"], headers=dict(headers)
    )


def of_ours(request: Request[Any, Any, Any], error: OptifireError) -> Response[bytes]:
    """Answer an error that was raised on purpose."""
    status = next((found for kind, found in STATUS if isinstance(error, kind)), None)
    if status is None:
        log.error("%s %s: %s", request.method, request.url.path, error)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    said = problem(
        status,
        error.message,
        request.url.path,
        kind=type(error).__name__,
        where=error.where,
        remedy=error.remedy,
    )
    return _answer(said)


def of_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what is wrong with a request: path, method, parameter or token."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return of_bug(request, error)
    extra = error.extra if isinstance(error.extra, Mapping) else {}
    wrong = error.extra if isinstance(error.extra, list) else []
    where = str(extra.get("where", "")) or ", ".join(str(each.get("key", "")) for each in wrong)
    detail = "; ".join(str(each.get("message", "")) for each in wrong) or error.detail
    remedy = str(extra.get("remedy", "")) or (SEEK if error.status_code in WRONG else "")
    said = problem(error.status_code, detail, request.url.path, where=where, remedy=remedy)
    return _answer(said, error.headers or {})


def of_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer what nobody expected; the log has it whole, the client nothing of it."""
    log.error("%s %s crashed", request.method, request.url.path, exc_info=error)
    said = problem(
        500,
        "the service could not answer; this is a bug",
        request.url.path,
        remedy="Look at the log of the service",
    )
    return _answer(said)


HANDLERS: Mapping[Any, Any] = {OptifireError: of_ours, HTTPException: of_http, Exception: of_bug}
