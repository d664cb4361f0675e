"""The OpenAPI document: made when somebody first asks for it, in a thread."""

import asyncio
from functools import cache
from typing import Any

from litestar import Litestar, get
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from optifire import __version__
from optifire.api.routes_change import CHANGES
from optifire.api.routes_read import READS
from optifire.core.access import Role

#: What routes are handed by name, and no client sends.
DESKS = ("reads", "records", "changes")


@get("/openapi.json", role=Role.VIEWER, summary="This document")
async def document() -> dict[str, Any]:
    """Give the OpenAPI document of the API."""
    return await asyncio.to_thread(described)


@cache
def described() -> dict[str, Any]:
    """Give the document, made from an application that is never served.

    The one that is served has no OpenAPI configuration, which would bring pages of its own.
    """
    config = OpenAPIConfig(
        title="OptiFIRE",
        version=__version__,
        description="Runs, plugins and configuration of one service. Errors are RFC 9457 problems.",
        render_plugins=[JsonRenderPlugin()],
        create_examples=False,
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"token": []}],
    )
    app = Litestar(
        [*READS, *CHANGES, document],
        dependencies={desk: _nobody() for desk in DESKS},
        openapi_config=config,
        logging_config=None,
    )
    return dict(app.openapi_schema.to_schema())


def _nobody() -> Provide:
    """Stand where somebody would answer; each is one of its own, as litestar asks."""
    return Provide(lambda: None, sync_to_thread=False)
