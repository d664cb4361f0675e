"""The application: routes, their guard, errors, the OpenAPI document, ETags."""

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from optifire import __version__
from optifire.api.etags import Tagged
from optifire.api.gate import Gate, Identifies, permit
from optifire.api.ports import Changes, Reads, Records
from optifire.api.problems import HANDLERS
from optifire.api.rate import RateLimit
from optifire.api.routes_change import CHANGES
from optifire.api.routes_read import READS
from optifire.core.access import Role

#: Bytes of the longest body; a reason is far shorter.
LONGEST_BODY = 64 << 10


def litestar_app(reads: Reads, records: Records, changes: Changes) -> Litestar:
    """Give the application without its gate."""
    return Litestar(
        route_handlers=[*READS, *CHANGES],
        dependencies={
            "reads": Provide(lambda: reads, sync_to_thread=False),
            "records": Provide(lambda: records, sync_to_thread=False),
            "changes": Provide(lambda: changes, sync_to_thread=False),
        },
        guards=[permit],
        exception_handlers=dict(HANDLERS),
        openapi_config=_document(),
        request_max_body_size=LONGEST_BODY,
        logging_config=None,
    )


def application(app: Litestar, tokens: Identifies, limit: RateLimit) -> Gate:
    """Put the gate before an application."""
    return Gate(Tagged(app), tokens, limit)


def _document() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="OptiFIRE",
        version=__version__,
        description="Runs, plugins and configuration of one service. Errors are RFC 9457 problems.",
        openapi_router=Router("/", route_handlers=[], opt={"role": Role.VIEWER}),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        create_examples=False,
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"token": []}],
    )
